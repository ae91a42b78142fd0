import { isolated } from './emitter.js';

/** Something that changes, as an object that keeps its identity until it does. */
export class Snapshot<T extends object> {
  #snapshot: T;
  readonly #listeners = new Set<(now: T) => void>();

  constructor(initial: T) {
    this.#snapshot = Object.freeze(initial);
  }

  /**
   * What is so now: the same object until it changes.
   * @example
   * const { connection } = db.status.getSnapshot();
   */
  readonly getSnapshot = (): T => this.#snapshot;

  /**
   * Calls back with what is so, at once and whenever it changes.
   * @example
   * const stop = db.status.subscribe(({ pending }) => { badge.textContent = String(pending); });
   */
  readonly subscribe = (listener: (now: T) => void, options: { readonly signal?: AbortSignal } = {}): (() => void) => {
    if (options.signal?.aborted) return () => {};
    // Each subscription is its own, even when the same function subscribes twice.
    const own = (now: T): void => listener(now);
    const stop = (): void => void this.#listeners.delete(own);
    this.#listeners.add(own);
    options.signal?.addEventListener('abort', stop, { once: true });
    isolated(() => own(this.#snapshot));
    return stop;
  };

  /** Takes over what changed. */
  update(change: Partial<T>): void {
    const next = { ...this.#snapshot, ...change };
    if (JSON.stringify(next) === JSON.stringify(this.#snapshot)) return;
    this.#snapshot = Object.freeze(next);
    for (const listener of [...this.#listeners]) isolated(() => listener(next));
  }
}
