/** What did not come back, or not as it was: one entry and what is the matter with it. */
import type { ByteString } from '../model.ts';

/** One entry that needs to be named. */
export interface Trouble {
  /** Absolute path in the source. */
  path: ByteString;
  /** The end of a sentence that began with the path. */
  problem: string;
}
