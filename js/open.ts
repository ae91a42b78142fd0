import { wasmAsset, workerAsset } from './assets.js';
import type { WorkerSource } from './connection.js';
import { Core } from './core.js';
import { Database, type Lifetime } from './database.js';
import { BadValue, Closed, InsecureContext, SchemaMismatch, type SeaworthyError, ServerSide } from './errors.js';
import type { OpenRequest } from './messages.js';
import { pageLives, watchPage } from './page.js';
import { development } from './rows.js';
import { definitionOf, type Schema, type Tables } from './schema.js';
import { connectBroker, diagnose, HELLO_MS, startWithModule, watchPolicy } from './startup.js';
import { marked, type StorageTier, tiersOf } from './storage.js';
import type { TokenCallback } from './token.js';

/**
 * Where a database synchronises.
 * @example
 * const sync: SyncOptions = { url: '/sync/v1', token: () => fetchToken() };
 */
export interface SyncOptions {
  /** The base of the server's endpoints, such as `/sync/v1`; relative to the page. */
  readonly url: string;
  /** Gives a token, or `null` when nobody is signed in. Called when one is needed, and again when it is no longer good. */
  readonly token: TokenCallback;
}

/**
 * How to open a database.
 * @example
 * const options: OpenOptions<typeof app> = { name: 'app', schema: app, storage: 'memory' };
 * const db = open(options);
 */
export interface OpenOptions<S extends Tables> {
  /** Its name in this origin. Each user has a database of their own under it; the last user's is opened. */
  readonly name: string;
  /** Its tables. */
  readonly schema: Schema<S>;
  /** Where it synchronises; without it all stays on this device. */
  readonly sync?: SyncOptions;
  /**
   * Where the database may be kept, in the order of preference; a database that exists is opened where it is. Unless told
   * `['opfs', 'indexeddb']`: in files, or in IndexedDB where a worker has none. Add `'memory'` to go on without storage where
   * the browser offers none, and look at `db.storage` then.
   */
  readonly storage?: StorageTier | readonly StorageTier[];
  /**
   * `relaxed` (the default): a commit is in the file when it answers, so the crash of tab, worker or browser takes nothing; a
   * loss of power may take the last commits, never the whole. `strict`: it is on the disk when it answers.
   */
  readonly durability?: 'relaxed' | 'strict';
  /** Whether to connect at once; true unless told. */
  readonly online?: boolean;
  /** Limits of an interactive transaction in milliseconds: between two statements (2,000), and in all (10,000). */
  readonly transaction?: { readonly idleMs?: number; readonly totalMs?: number };
  /** Where the worker's script is, if not beside the package. */
  readonly workerUrl?: string | URL;
  /** Where the wasm module is, if not beside the package. */
  readonly wasmUrl?: string | URL;
}

interface Shared {
  readonly database: Database<Tables>;
  readonly definition: string;
  readonly replace: (sync: SyncOptions | undefined) => void;
  references: number;
  closing: { readonly timer: ReturnType<typeof setTimeout>; readonly settle: () => void } | undefined;
}

const IDLE_MS = 2000;
const TOTAL_MS = 10_000;
/** StrictMode and hot reload close and open again. */
const GRACE_MS = 1000;

const shared = new Map<string, Shared>();

/**
 * Opens a database. It returns at once; calls queue until it is open, and `ready` says whether it could be. The same name in
 * a page gives the same handle, which closes when each `open` was matched by a `close`. On a server the handle is inert.
 * @example
 * const db = open({ name: 'app', schema: app, sync: { url: '/sync/v1', token: () => fetchToken() } });
 */
export function open<S extends Tables>(options: OpenOptions<S>): Database<S> {
  const definition = JSON.stringify(definitionOf(options.schema as Schema));
  const known = shared.get(options.name);
  if (known?.definition === definition) return share(known, options) as unknown as Database<S>;
  if (known) {
    if (!development) throw new SchemaMismatch(`The database ${options.name} is open in this page with another schema. Close it first.`);
    // Hot reload brought another schema: the old handle makes room.
    void known.database.close({ now: true });
  }
  return create(options, definition);
}

function share(known: Shared, { sync }: OpenOptions<Tables>): Database<Tables> {
  known.references++;
  known.replace(sync);
  if (known.closing) {
    clearTimeout(known.closing.timer);
    known.closing.settle();
    known.closing = undefined;
  }
  return known.database;
}

function create<S extends Tables>(options: OpenOptions<S>, definition: string): Database<S> {
  let sync = options.sync;
  const impossible = obstacle(options);
  const request = openRequest(options);
  const core = new Core(
    workerSource(String(options.workerUrl ?? workerAsset()), request),
    request,
    options.schema as Schema,
    (demand) => sync?.token(demand) ?? null,
    () => forget(),
  );
  const stopWatching = impossible ? () => {} : watchPage(core.connection);
  const forget = (): void => {
    stopWatching();
    if (shared.get(options.name) === entry) shared.delete(options.name);
  };
  const ready = impossible ? Promise.reject(impossible) : core.open();
  ready.catch(() => {});
  const lifetime: Lifetime = { ready, forget, release: (now) => release(entry, core, now, forget) };
  const database = new Database<S>(options.name, options.schema, core, lifetime);
  const entry: Shared = {
    database: database as unknown as Database<Tables>,
    definition,
    replace: (newer) => {
      sync = newer;
    },
    references: 1,
    closing: undefined,
  };
  if (!(impossible instanceof ServerSide)) shared.set(options.name, entry);
  if (impossible) core.refuse(impossible);
  return database;
}

function release(entry: Shared, core: Core, now: boolean, forget: () => void): Promise<void> {
  if (entry.references > 0) entry.references--;
  if (!now && entry.references > 0) return Promise.resolve();
  return new Promise((settle) => {
    const close = async (): Promise<void> => {
      entry.closing = undefined;
      forget();
      await core.close(new Closed(`The database ${entry.database.name} was closed. Call open() again.`));
      settle();
    };
    if (entry.closing) {
      clearTimeout(entry.closing.timer);
      entry.closing.settle();
    }
    entry.closing = { timer: setTimeout(() => void close(), now ? 0 : GRACE_MS), settle };
  });
}

/** Why no database can be opened here at all. */
function obstacle({ name, storage }: OpenOptions<Tables>): SeaworthyError | undefined {
  if (typeof name !== 'string' || name === '') throw new BadValue('open needs a name.');
  if (typeof Worker === 'undefined' || typeof document === 'undefined') {
    return new ServerSide('There is no database on a server. Query in the browser, after hydration.');
  }
  if (!isSecureContext && !tiersOf(storage).includes('memory')) {
    return new InsecureContext("Browsers give storage to secure pages only. Use https or localhost, or open with storage: 'memory'.");
  }
  return undefined;
}

function openRequest({ name, schema, sync, storage, durability, online, transaction, wasmUrl }: OpenOptions<Tables>): OpenRequest {
  return {
    name,
    storage: tiersOf(storage),
    marked: typeof document === 'undefined' ? null : marked(name),
    durability: durability ?? 'relaxed',
    schema: definitionOf(schema as Schema),
    sync: sync ? { url: absolute(sync.url).replace(/\/+$/, '') } : null,
    online: sync !== undefined && (online ?? true),
    wasmUrl: absolute(String(wasmUrl ?? wasmAsset())),
    transactionIdleMs: transaction?.idleMs ?? IDLE_MS,
    transactionTotalMs: transaction?.totalMs ?? TOTAL_MS,
  };
}

function absolute(url: string): string {
  return typeof document === 'undefined' ? url : new URL(url, document.baseURI).href;
}

function workerSource(given: string, { name, storage, wasmUrl }: OpenRequest): WorkerSource {
  const url = absolute(given);
  const isAlone = storage.every((tier) => tier === 'memory');
  return {
    alive: isAlone ? null : pageLives(),
    broker: () => (isAlone ? null : connectBroker(url)),
    helloMs: HELLO_MS,
    remembered: () => marked(name) !== null,
    start: () => {
      watchPolicy();
      return startWithModule(url, wasmUrl);
    },
    diagnose: () => diagnose(url),
  };
}
