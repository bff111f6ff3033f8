/**
 * Garbage that V8 does not see growing: buffers that lie outside its heap count for nothing but their small handles, so that hundreds of megabytes of
 * them can lie about before it looks for any.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

type Collect = (options: { type: 'minor' }) => void;

let collect: Collect | undefined;

/** Has what was left behind lately collected, each time that so much of it has come. */
export class Garbage {
  readonly #most: number;
  #bytes = 0;

  /** `most`: bytes that may lie about. */
  constructor(most: number) {
    this.#most = most;
  }

  /** So many bytes were left behind. */
  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < this.#most) return;
    this.#bytes = 0;
    collect ??= collector();
    collect({ type: 'minor' });
  }
}

/** V8's own function, which is there only in contexts that are made while a flag is set. No thread reads that flag but to make a context. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  try {
    return runInNewContext('gc') as Collect;
  } finally {
    setFlagsFromString('--no-expose-gc');
  }
}
