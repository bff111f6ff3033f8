/** Where compressed objects go on their way to the store: the producer writes, others seal and upload. */

/** Takes objects one piece at a time. */
export interface ObjectSink {
  /** Begins an object; `name` is its name below the set's folder. Waits while too many are on their way. */
  open(name: string): Promise<ObjectWriter>;
}

/** One object on its way. */
export interface ObjectWriter {
  /** Takes the next piece; its bytes are not touched by the caller afterwards. */
  write(piece: Uint8Array): void;
  /** Resolves when more pieces are welcome. */
  ready(): Promise<void>;
  /** Ends the object, whose uncompressed content had `plainSize` bytes. Does not wait until it is stored. */
  end(plainSize: number): Promise<void>;
}
