/** Answers that wait until everything that they rest on is stored. */
export class HeldAnswers {
  readonly #held = new Set<Promise<void>>();

  /** Calls `tell` once it is stored, or `fail` when it could not be; at once where there is nothing to wait for. */
  hold(stored: Promise<void> | undefined, tell: () => void, fail: (error: unknown) => void): void {
    if (!stored) {
      tell();
      return;
    }
    const held = stored.then(tell, fail).finally(() => this.#held.delete(held));
    this.#held.add(held);
  }

  /** Resolves when all of them were given; `undefined`: they were. */
  given(): Promise<unknown> | undefined {
    return this.#held.size > 0 ? Promise.all(this.#held) : undefined;
  }
}
