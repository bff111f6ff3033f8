/** Tokens that pass by, and their end: an expired one is refused until its owner signs in again. */
import { randomBytes } from 'node:crypto';
import { change, type Headers } from './headers.ts';

/** TempAuth gives the first two, Keystone the third. */
const FIELDS = ['x-auth-token', 'x-storage-token', 'x-subject-token'];

/**
 * The real server knows nothing of these ends, and TempAuth gives the same token again for as long as it holds. So after an
 * expiry the path hands out a token of its own for that one, and translates.
 */
export class Tokens {
  readonly #seen = new Set<string>();
  readonly #expired = new Set<string>();
  /** Tokens of the path's own, with what the server knows them as. */
  readonly #real = new Map<string, string>();

  /** Ends every token that was seen so far. */
  expire(): void {
    for (const token of this.#seen) this.#expired.add(token);
  }

  /** Takes note of a request's token; true when it has ended. */
  refuses(headers: Headers): boolean {
    const token = headers.get('x-auth-token')?.[0];
    if (token === undefined) return false;
    this.#seen.add(token);
    return this.#expired.has(token);
  }

  /** Makes a request's tokens those which the server knows. */
  outward(headers: Headers): void {
    for (const name of FIELDS) {
      const real = this.#real.get(headers.get(name)?.[0] ?? '');
      if (real !== undefined) change(headers, { [name]: real });
    }
  }

  /** Makes the tokens of a sign-in's answer good ones. */
  inward(headers: Headers): void {
    for (const name of FIELDS) {
      const token = headers.get(name)?.[0];
      if (token === undefined) continue;
      const good = this.#good(token);
      this.#seen.add(good);
      change(headers, { [name]: good });
    }
  }

  #good(token: string): string {
    if (!this.#expired.has(token)) return token;
    for (const [own, real] of this.#real) if (real === token && !this.#expired.has(own)) return own;
    const own = `${token.slice(0, 8)}${randomBytes(16).toString('hex')}`;
    this.#real.set(own, token);
    return own;
  }
}
