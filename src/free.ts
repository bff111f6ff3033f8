/** Gives the memory of large buffers back without waiting for the garbage collector, which knows them by their small handles. */

/** Frees the memory behind some bytes that nothing will look at any more; leaves memory alone that others may share. */
export function free(bytes: Uint8Array): void {
  const { buffer } = bytes;
  // Small Buffers lie together in one; of a store's answers, one byte may be spare.
  const isAlone = bytes.byteOffset === 0 && buffer.byteLength - bytes.byteLength <= 1;
  // Moved into a buffer of no length, the rest of it is released at once.
  if (buffer instanceof ArrayBuffer && !buffer.detached && isAlone) buffer.transfer(0);
}
