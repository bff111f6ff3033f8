/** The token of a run: one sign-in at a time, however many requests wait for it, and a new one when the server wants one. */
import type { SignedIn } from './sign-in.ts';

/** A token whose end is nearer than this is replaced before it is used. */
const EARLY_MS = 60_000;

/** A token with the URL of the account that it is for. */
export interface Ticket {
  token: string;
  storageUrl: URL;
  region: string | undefined;
  /** Milliseconds of the local clock at which another one should be asked for. */
  until: number;
}

export class Session {
  readonly #signIn: () => Promise<SignedIn>;
  readonly #now: () => number;
  #ticket: Ticket | undefined;
  #signedIn: SignedIn | undefined;
  #underWay: Promise<Ticket> | undefined;

  /** `signIn`: one attempt; `now`: milliseconds. */
  constructor(signIn: () => Promise<SignedIn>, now: () => number) {
    this.#signIn = signIn;
    this.#now = now;
  }

  /** A token that is good, as far as can be known. Rejects as signIn. */
  ticket(): Promise<Ticket> {
    if (this.#ticket !== undefined && this.#now() < this.#ticket.until) return Promise.resolve(this.#ticket);
    this.#underWay ??= this.#enter().finally(() => {
      this.#underWay = undefined;
    });
    return this.#underWay;
  }

  /** What the last sign-in gave, for those who explain it. */
  get signedIn(): SignedIn | undefined {
    return this.#signedIn;
  }

  /** The server refused this token: it is not handed out again. */
  refused(token: string): void {
    if (this.#ticket?.token === token) this.#ticket = undefined;
  }

  async #enter(): Promise<Ticket> {
    this.#signedIn = await this.#signIn();
    const { token, storageUrl, region, expires, date } = this.#signedIn;
    this.#ticket = { token, storageUrl, region, until: this.#now() + lifeOf(expires, date) };
    return this.#ticket;
  }
}

/** For how many milliseconds a token is used: its life by the server's own clock, less a reserve. */
function lifeOf(expires: Date | undefined, date: Date | undefined): number {
  // Without the server's clock nothing is known: it says so when the token has ended.
  if (expires === undefined || date === undefined) return Number.POSITIVE_INFINITY;
  const life = expires.getTime() - date.getTime();
  // A life of seconds, as on a badly set up server: better used than asked for again and again.
  return Math.max(life - Math.min(EARLY_MS, life / 4), 0);
}
