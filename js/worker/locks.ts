import { Failure, messageOf } from './failure.js';

/** The browser has no locks, or lends none here. */
export class NoLocks extends Failure {
  constructor(message: string) {
    super('StorageUnavailable', message);
  }
}

/** Lets go of a lock. */
export type Release = () => void;

/**
 * The lock of a database, which its owner holds. It is asked for inside the worker, so that terminating the worker frees it, and
 * it is never stolen: a stolen lock comes without the file handles.
 */
export class OwnerLock {
  readonly #locks: LockManager;
  readonly #name: string;
  readonly #granted: () => void;
  #release: Release | null = null;
  #waiting: AbortController | null = null;

  /** `granted` is called when the lock was waited for and has come. */
  constructor(locks: LockManager, database: string, granted: () => void) {
    this.#locks = locks;
    this.#name = databaseTopic(database);
    this.#granted = granted;
  }

  /** Takes it if nobody has it. */
  async take(): Promise<boolean> {
    this.#release = await hold(this.#locks, this.#name, { ifAvailable: true });
    return this.#release !== null;
  }

  /** Waits for it, behind those who wait already. */
  queue(): void {
    if (this.#waiting || this.#release) return;
    const waiting = new AbortController();
    this.#waiting = waiting;
    hold(this.#locks, this.#name, { signal: waiting.signal }).then(
      (release) => {
        if (this.#waiting !== waiting) return release?.();
        this.#waiting = null;
        this.#release = release;
        this.#granted();
      },
      () => {},
    );
  }

  /**
   * Waits behind those who came meanwhile. Asking anew also makes a browser give up a page that it keeps for the way back and
   * that has the lock, which it does not do for who waits already.
   */
  requeue(): void {
    if (!this.#waiting) return;
    this.#leave();
    this.queue();
  }

  /** Gives it back, or waits for it no more. */
  release(): void {
    this.#leave();
    this.#release?.();
    this.#release = null;
  }

  #leave(): void {
    this.#waiting?.abort();
    this.#waiting = null;
  }
}

/** What the lock of a database, and its channel, are called. */
export function databaseTopic(database: string): string {
  return `seaworthy:${database}`;
}

/** Holds a lock until it is released or this worker ends; `null` when it is not available. */
export function hold(locks: LockManager, name: string, options: LockOptions = {}): Promise<Release | null> {
  return new Promise((resolve, reject) => {
    const held = (lock: Lock | null): Promise<void> | undefined => {
      if (lock) return new Promise((release) => resolve(release));
      resolve(null);
      return undefined;
    };
    // Where site data are blocked, so are locks.
    const refused = (error: unknown): void =>
      reject(new NoLocks(`The browser blocks storage here: allow site data, or open with storage: 'memory'. (${messageOf(error)})`));
    locks.request(name, options, held).catch(refused);
  });
}

/** Resolves when nobody holds a lock any more: who held it is gone. */
export async function gone(locks: LockManager, name: string): Promise<void> {
  await locks.request(name, async () => {});
}

/** What the lock of a worker is called, which says that it lives. */
export function clientLock(client: string): string {
  return `seaworthy:client:${client}`;
}

const PAGE_LOCK = 'seaworthy:page:';

/**
 * Those of these pages that are gone: each holds a lock to its end. Only the locks of these are asked for, since a page that a
 * browser keeps for the way back, and whose lock somebody asks about, is kept no longer.
 */
export async function pagesGone(locks: LockManager, pages: readonly string[]): Promise<string[]> {
  const isGone = (page: string): Promise<boolean> => locks.request(`${PAGE_LOCK}${page}`, { ifAvailable: true }, (lock) => lock !== null);
  const gone = await Promise.all(pages.map(isGone));
  return pages.filter((_, nth) => gone[nth]);
}
