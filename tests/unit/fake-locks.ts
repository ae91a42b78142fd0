// Web Locks among the workers of one test, each of which can be killed with all that it holds.

interface Waiting {
  readonly owner: string;
  readonly grant: () => void;
}

/** The locks of one origin. */
export class FakeLocks {
  readonly #held = new Map<string, { readonly owner: string; readonly end: () => void }>();
  readonly #waiting = new Map<string, Waiting[]>();

  /** As `navigator.locks` in the worker of this name. */
  of(owner: string): LockManager {
    const request = (name: string, options: LockOptions | LockGrantedCallback<unknown>, callback?: LockGrantedCallback<unknown>): Promise<unknown> =>
      typeof options === 'function' ? this.#request(owner, name, {}, options) : this.#request(owner, name, options, callback as LockGrantedCallback<unknown>);
    return { request, query: async () => ({ held: [...this.#held.keys()].map((name) => ({ name })), pending: [] }) } as unknown as LockManager;
  }

  /** Ends a worker: what it holds is free, what it waits for it never gets. */
  kill(owner: string): void {
    for (const [name, waiting] of this.#waiting)
      this.#waiting.set(
        name,
        waiting.filter((other) => other.owner !== owner),
      );
    for (const held of [...this.#held.values()]) if (held.owner === owner) held.end();
  }

  #request(owner: string, name: string, { ifAvailable, signal }: LockOptions, callback: LockGrantedCallback<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const grant = (): void => {
        const end = (): void => {
          this.#held.delete(name);
          this.#waiting.get(name)?.shift()?.grant();
        };
        this.#held.set(name, { owner, end });
        Promise.resolve(callback({ name, mode: 'exclusive' })).then((value) => {
          if (this.#held.get(name)?.end === end) end();
          resolve(value);
        }, reject);
      };
      if (!this.#held.has(name)) return queueMicrotask(grant);
      if (ifAvailable) return queueMicrotask(() => resolve(callback(null)));
      const waiting: Waiting = { owner, grant };
      this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), waiting]);
      signal?.addEventListener('abort', () => {
        this.#waiting.set(
          name,
          (this.#waiting.get(name) ?? []).filter((other) => other !== waiting),
        );
        reject(signal.reason);
      });
    });
  }
}
