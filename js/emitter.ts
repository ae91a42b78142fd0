/** Typed events: a map from names to what their listeners get. */
export class Emitter<Events> {
  readonly #listeners = new Map<keyof Events, Set<(detail: never) => void>>();

  /** Calls `listener` at every event of that name, until the function that is returned is called. */
  on<Name extends keyof Events>(name: Name, listener: (detail: Events[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** Tells the listeners. Says whether there were any; one that throws does not keep the others from hearing. */
  emit<Name extends keyof Events>(name: Name, detail: Events[Name]): boolean {
    const listeners = [...(this.#listeners.get(name) ?? [])] as ((detail: Events[Name]) => void)[];
    for (const listener of listeners) isolated(() => listener(detail));
    return listeners.length > 0;
  }
}

/** Runs a callback of the application; what it throws is reported like any uncaught error, and stops nobody else. */
export function isolated(callback: () => void): void {
  try {
    callback();
  } catch (error) {
    reportError(error);
  }
}
