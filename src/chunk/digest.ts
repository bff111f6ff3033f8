/** SHA-256 as the pipeline uses it: of whole chunks in one call, of files piece by piece. */
import { createHash, hash } from 'node:crypto';

/** SHA-256 of nothing, in hex. */
export const EMPTY_SHA256 = hash('sha256', '', 'hex');

/** SHA-256 of some bytes, lower-case hex. One call: several times cheaper than an incremental hash for small inputs. */
export function sha256(bytes: Uint8Array): string {
  return hash('sha256', bytes, 'hex');
}

/** SHA-256 of what comes piece by piece. */
export class RunningDigest {
  readonly #hash = createHash('sha256');

  update(bytes: Uint8Array): void {
    this.#hash.update(bytes);
  }

  /** Of what has come so far, lower-case hex; more may come. */
  hexSoFar(): string {
    return this.#hash.copy().digest('hex');
  }

  /** Lower-case hex. Ends the digest. */
  hex(): string {
    return this.#hash.digest('hex');
  }
}
