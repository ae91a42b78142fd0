import { BadValue } from './errors.js';
import { Snapshot } from './snapshot.js';

/**
 * Where a database is kept. `opfs`: in files of the origin. `indexeddb`: in memory and, page by page, in IndexedDB, up to 64 MB;
 * for browsers whose workers have no files. `memory`: gone when the page is.
 * @example
 * const storage: readonly StorageTier[] = ['opfs', 'indexeddb', 'memory'];
 */
export type StorageTier = 'opfs' | 'indexeddb' | 'memory';

/**
 * How well a database is kept. What the browser does not tell is `null`.
 * @example
 * const full = ({ usage, quota }: StorageStatus) => usage !== null && quota !== null && usage > 0.9 * quota;
 */
export interface StorageStatus {
  /** Where it is; `null` until it is open. */
  readonly tier: StorageTier | null;
  /** Whether the browser has promised to keep it. */
  readonly persisted: boolean | null;
  /** Whether the browser may delete it without asking. */
  readonly evictable: boolean;
  /** Bytes that this origin may use in all, as the browser estimates. */
  readonly quota: number | null;
  /** Bytes that it uses. */
  readonly usage: number | null;
  /** There was a database, and it vanished: this one began empty. */
  readonly lost: boolean;
}

/** What happens to storage. */
export interface StorageEvents {
  /** The first synced write of this page is not safe from eviction. */
  notPersisted(status: StorageStatus): void;
  /** A database was here, and is gone. */
  lost(status: StorageStatus): void;
}

const INITIAL: StorageStatus = { tier: null, persisted: null, evictable: true, quota: null, usage: null, lost: false };
const DEFAULT: readonly StorageTier[] = ['opfs', 'indexeddb'];
const TIERS: ReadonlySet<string> = new Set<StorageTier>(['opfs', 'indexeddb', 'memory']);

/** What is known of a database's storage. */
export class StorageSource extends Snapshot<StorageStatus> {
  readonly #name: string;
  readonly #events: StorageEvents;
  /** Memory was all that was asked for: nobody expects it to be kept. */
  readonly #onlyMemory: boolean;
  #warned = false;

  constructor(name: string, tiers: readonly StorageTier[], events: StorageEvents) {
    super(INITIAL);
    this.#name = name;
    this.#onlyMemory = tiers.every((tier) => tier === 'memory');
    this.#events = events;
  }

  /**
   * Asks the browser again how much is used and what it promises.
   * @example
   * const { usage, quota } = await db.storage.refresh();
   */
  async refresh(): Promise<StorageStatus> {
    const storage = manager();
    const [persisted, estimate] = await Promise.all([storage?.persisted?.().catch(() => null), storage?.estimate?.().catch(() => null)]);
    this.#note({ persisted: persisted ?? null, quota: estimate?.quota ?? null, usage: estimate?.usage ?? null });
    return this.getSnapshot();
  }

  /** The database is open. */
  opened(tier: StorageTier): void {
    if (tier !== 'memory') mark(this.#name, tier);
    void this.refresh();
  }

  /** The worker says where the database is. */
  located(tier: StorageTier, lost: boolean): void {
    const before = this.getSnapshot();
    this.#note({ tier, lost: before.lost || lost });
    if (lost && !before.lost) this.#events.lost(this.getSnapshot());
  }

  /** Asks the browser to keep it. */
  async requestPersistence(): Promise<boolean> {
    const granted = (await manager()?.persist?.()) ?? false;
    await this.refresh();
    return granted;
  }

  /** Something was written that is to be sent. */
  synced(): void {
    if (this.#warned || this.#onlyMemory) return;
    this.#warned = true;
    void this.refresh().then((status) => {
      if (status.evictable) this.#events.notPersisted(status);
    });
  }

  #note(change: Partial<StorageStatus>): void {
    const { tier, persisted } = { ...this.getSnapshot(), ...change };
    this.update({ ...change, evictable: tier === 'memory' || persisted !== true });
  }
}

/** What was given to `open`, as a list. */
export function tiersOf(given: StorageTier | readonly StorageTier[] = DEFAULT): readonly StorageTier[] {
  const tiers = typeof given === 'string' ? [given] : [...given];
  const wrong = tiers.find((tier) => !TIERS.has(tier));
  if (wrong === undefined && tiers.length > 0) return tiers;
  throw new BadValue(`storage is opfs, indexeddb, memory or a list of them, not ${wrong ?? 'an empty one'}.`);
}

/** Where this page remembers that a database is, beside the worker's own marker in IndexedDB: one of the two may be gone or blocked. */
export function marked(name: string): StorageTier | null {
  try {
    const tier = localStorage.getItem(key(name));
    return tier !== null && TIERS.has(tier) ? (tier as StorageTier) : null;
  } catch {
    return null;
  }
}

/** Remembers where a database is; `null`: nowhere any more. */
export function mark(name: string, tier: StorageTier | null): void {
  try {
    if (tier === null) localStorage.removeItem(key(name));
    else localStorage.setItem(key(name), tier);
  } catch {
    // Blocked: the other marker must do.
  }
}

function key(name: string): string {
  return `seaworthy:${name}`;
}

/** Parts of it, or all, are missing in some browsers. */
function manager(): Partial<StorageManager> | undefined {
  return globalThis.navigator?.storage;
}
