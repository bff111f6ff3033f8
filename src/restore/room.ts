/** How much of something may be held at once: whoever wants one more waits for its turn. */
export class Room {
  readonly #most: () => number;
  #held = 0;
  #refusal: { error: unknown } | undefined;
  readonly #waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];

  /** `most`: how many there may be, which may change. */
  constructor(most: () => number) {
    this.#most = most;
  }

  /** Resolves when one more may be held; it counts until leave(). Nobody is let in before who came earlier. Rejects once refuse() was called. */
  async enter(): Promise<void> {
    if (this.#refusal !== undefined) throw this.#refusal.error;
    const turn = new Promise<void>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#admit();
    await turn;
  }

  leave(): void {
    this.#held--;
    this.#admit();
  }

  /** Turns away all who wait, and all who come after that. */
  refuse(error: unknown): void {
    this.#refusal ??= { error };
    for (const { reject } of this.#waiting.splice(0)) reject(error);
  }

  #admit(): void {
    while (this.#waiting.length > 0 && this.#held < this.#most()) {
      this.#held++;
      this.#waiting.shift()?.resolve();
    }
  }
}
