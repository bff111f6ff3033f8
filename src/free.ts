/** Gives the memory of large buffers back without waiting for the garbage collector, which knows them by their small handles. */

/** Frees the memory behind some bytes that nothing will look at any more; leaves memory alone that others may share. */
export function free({ buffer, byteOffset, byteLength }: Uint8Array): void {
  // Small Buffers lie together in one; of a store's answers, one byte may be spare.
  if (byteOffset === 0 && buffer.byteLength - byteLength <= 1) freeBuffer(buffer);
}

/** Frees a buffer; nothing may look at any bytes in it any more. */
export function freeBuffer(buffer: ArrayBufferLike): void {
  // Moved into a buffer of no length, it is released at once.
  if (buffer instanceof ArrayBuffer && !buffer.detached) buffer.transfer(0);
}
