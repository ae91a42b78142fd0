/// <reference lib="esnext.disposable" preserve="true" />

import type { Core, DatabaseEvents } from './core.js';
import { rowsOf, single } from './core.js';
import { Closed } from './errors.js';
import { type ExportOptions, exportFile, type ImportOptions, type ImportSource } from './files.js';
import type { LiveQuery } from './live.js';
import type { CallOptions, WriteOptions } from './query.js';
import { BatchReceipt, type Receipt, type TransactionReceipt } from './receipt.js';
import type { Resolver } from './resolve.js';
import type { Schema, Tables } from './schema.js';
import type { AnyRow, Sql } from './sql.js';
import type { StatusSource, User } from './status.js';
import type { StorageSource } from './storage.js';
import type { Stream } from './stream.js';
import type { StreamSet } from './stream-set.js';
import type { RowOf } from './table.js';
import { type TableHandles, tableHandles } from './tables.js';
import { type Transaction, type TransactionOptions, transact } from './transaction.js';
import type { Bindable } from './value.js';
import type { Writes } from './writes.js';

/**
 * What is to become of writes that the server does not have.
 * @example
 * await db.delete({ discardPending: true });
 */
export interface DiscardOptions {
  /** Drop them. Without it nothing is done while there are any. */
  readonly discardPending?: boolean;
}

/** What `open` knows of a handle. @internal */
export interface Lifetime {
  /** Resolves when the database is open. */
  readonly ready: Promise<void>;
  /** Gives up one reference; resolves when the database is closed, or was opened again. */
  release(now: boolean): Promise<void>;
  /** The handle is of no use any more. */
  forget(): void;
}

/**
 * An open database. Get one from `open(…)`.
 * @example
 * const db = open({ name: 'app', schema: app });
 * const rows = await db.tables.todos.where({ done: false }).all();
 */
export class Database<S extends Tables = Tables> implements AsyncDisposable {
  /** `await using db = open(…)` closes it, where the platform has it. */
  declare readonly [Symbol.asyncDispose]: () => Promise<void>;
  readonly #core: Core;
  readonly #lifetime: Lifetime;
  /** Its name in this origin. */
  readonly name: string;
  /**
   * Resolves when the database is open; rejects with the reason when it cannot be. Calls queue behind it.
   * @example
   * await db.ready;
   */
  readonly ready: Promise<void>;
  /**
   * A handle for each table. The object has no prototype, so that no name collides.
   * @example
   * const { todos } = db.tables;
   */
  readonly tables: TableHandles<S, 'database'>;
  /**
   * Connection, queue and owner.
   * @example
   * db.status.subscribe(({ connection, pending }) => render(connection, pending));
   */
  readonly status: Pick<StatusSource, 'getSnapshot' | 'subscribe'>;
  /**
   * Where the database is kept, how safely, and how much room there is.
   * @example
   * const { tier, persisted } = db.storage.getSnapshot();
   */
  readonly storage: Pick<StorageSource, 'getSnapshot' | 'subscribe' | 'refresh'>;
  /**
   * Every stream that this database follows, automatic ones too, and how much of them is here.
   * @example
   * db.streams.subscribe(({ ready, fraction }) => { bar.hidden = ready; bar.value = fraction; });
   */
  readonly streams: Pick<StreamSet, 'getSnapshot' | 'subscribe'>;
  /**
   * Writes that are under way or were refused.
   * @example
   * for (const write of await db.writes.rejected()) await write.discard();
   */
  readonly writes: Pick<Writes, 'pending' | 'rejected' | 'confirmed'>;

  /** @internal */
  constructor(name: string, schema: Schema<S>, core: Core, lifetime: Lifetime) {
    this.#core = core;
    this.#lifetime = lifetime;
    this.name = name;
    this.ready = lifetime.ready;
    this.tables = tableHandles<S, 'database'>(schema, core);
    this.status = core.status;
    this.storage = core.storage;
    this.streams = core.streams;
    this.writes = core.writes;
  }

  /**
   * The user that the database belongs to, once the server has said so; kept while offline.
   * @example
   * const mine = rows.filter((row) => row.owner_id === db.user?.subject);
   */
  get user(): User | null {
    return this.#core.status.getSnapshot().user;
  }

  /**
   * Runs a statement that writes, in a transaction of its own. `rows` of the receipt are those of RETURNING.
   * @example
   * const receipt = await db.exec(sql`UPDATE todos SET done = ${true} WHERE id = ${id}`);
   */
  exec<Row extends object = AnyRow>(query: Sql<Row>, options?: WriteOptions): Promise<Receipt<Row>> {
    return this.#core.write<Row>(() => single(query), options);
  }

  /**
   * The rows of a query.
   * @example
   * const rows = await db.all(sql.as(app.todos)`SELECT * FROM todos WHERE list_id = ${list_id}`);
   */
  all<Row extends object>(query: Sql<Row>, options?: CallOptions): Promise<readonly Row[]> {
    return this.#core.all(query, options);
  }

  /**
   * The first row of a query, if there is one.
   * @example
   * const row = await db.get(sql<{ n: number }>`SELECT count(*) AS n FROM todos`);
   */
  async get<Row extends object>(query: Sql<Row>, options?: CallOptions): Promise<Row | undefined> {
    return (await this.#core.all(query, options))[0];
  }

  /**
   * Runs statements in one transaction and one round trip: all of them, or none.
   * @example
   * await db.batch([sql`DELETE FROM todos WHERE list_id = ${id}`, sql`DELETE FROM lists WHERE id = ${id}`]);
   */
  batch(queries: readonly Sql<object>[], options: WriteOptions = {}): Promise<BatchReceipt> {
    const run = async (): Promise<BatchReceipt> => {
      const { receipt, answers } = await this.#core.run(queries.map(single), options);
      const results = answers.map((answer) => ({ changes: answer.changes, rows: rowsOf(answer, this.#core.schema) }));
      return new BatchReceipt(receipt, results, this.#core.writes);
    };
    return this.#core.watch(run());
  }

  /**
   * Runs a callback in a transaction: commits when it returns, rolls back when it throws. Everything else waits meanwhile, so
   * prefer `batch` where the statements are known; a transaction that is idle for 2 s or open for 10 s is rolled back.
   * @example
   * await db.transaction(async (tx) => {
   *   const list = await tx.tables.lists.get(id);
   *   if (list) await tx.tables.todos.insert({ list_id: list.id, title: list.name });
   * });
   */
  transaction<T>(work: (tx: Transaction<S>) => Promise<T> | T, options: TransactionOptions = {}): Promise<TransactionReceipt<T>> {
    return this.#core.watch(transact(this.#core, work, options));
  }

  /**
   * A query whose result follows the data. Two with the same SQL and values share one watch.
   * @example
   * const live = db.live(sql.as(app.todos)`SELECT * FROM todos ORDER BY created_at`);
   */
  live<Row extends object>(query: Sql<Row>): LiveQuery<Row> {
    return this.#core.live(query);
  }

  /**
   * Subscribes to a stream of the server's configuration: the rows that it selects for this user and these parameters come to this
   * device, and stay while a handle is open. Two with the same parameters share one subscription. Automatic streams come by
   * themselves.
   * @example
   * const stream = db.stream('list_todos', { list_id });
   * await stream.ready;
   * stream.release({ keepFor: '1d' });
   */
  stream(name: string, params: Readonly<Record<string, Bindable>> = {}): Stream {
    return this.#core.streams.open(name, params);
  }

  /**
   * Calls `listener` at every event of that name, until the function that is returned is called.
   * @example
   * const stop = db.on('rejected', (write) => toast(write.message));
   */
  on<Name extends keyof DatabaseEvents>(name: Name, listener: (detail: DatabaseEvents[Name]) => void): () => void {
    return this.#core.events.on(name, listener);
  }

  /**
   * Decides, for a table declared with `onConflict: 'manual'`, what a write becomes whose row somebody else has changed. What
   * the resolver returns is committed as a new write, with the rest of the refused one and of those that build on it. It may
   * take as long as it likes; should the row change meanwhile, or the new write be refused, it is asked again, after a reload
   * too. The function that is returned withdraws it.
   * @example
   * db.resolve('todos', ({ base, local, remote }) => local && remote && { ...remote, title: merge(base?.title, local.title, remote.title) });
   */
  resolve<Name extends keyof S & string>(table: Name, resolver: Resolver<RowOf<S[Name]>>): () => void {
    return this.#core.resolvers.set(table, resolver);
  }

  /**
   * Whether a connection is wanted. Without one everything works, and what is written waits.
   * @example
   * await db.setOnline(!offlineSwitch.checked);
   */
  async setOnline(wanted: boolean): Promise<void> {
    await this.#core.setOnline(wanted);
  }

  /**
   * Asks the token callback again, after a sign-in.
   * @example
   * signInForm.onsubmit = async () => { await signIn(); await db.authenticate(); };
   */
  async authenticate(): Promise<void> {
    await this.#core.authenticate();
  }

  /**
   * Opens the database of who is signed in now, in place of the one that is open: the token callback is asked, and calls that
   * were made before are finished first. The former user's database stays on this device with what is pending in it, and
   * `switchUser` leads back to it when that user is signed in again. What was written while nobody was signed in belongs to no
   * user: adopt it, or say `discardPending`; otherwise this throws `PendingWrites`.
   * @example
   * signInForm.onsubmit = async () => { await signIn(); await db.switchUser(); };
   */
  async switchUser(options: DiscardOptions = {}): Promise<void> {
    await this.#core.switchUser(options.discardPending ?? false);
  }

  /**
   * Gives what was written while nobody was signed in to the user who is signed in now, and sends it. Until then the status
   * is `needs-adopt`.
   * @example
   * if (db.status.getSnapshot().connection === 'needs-adopt' && confirm('Keep what you wrote?')) await db.adopt();
   */
  async adopt(): Promise<void> {
    await this.#core.adopt();
  }

  /**
   * Asks the browser not to delete this origin's data when space is short. It may ask the person, so call it when they do
   * something that matters. Says whether the browser agreed; one that cannot answers false.
   * @example
   * db.on('storage-not-persisted', async () => { if (!(await db.requestPersistence())) warnThatDataMayGo(); });
   */
  requestPersistence(): Promise<boolean> {
    return this.#core.storage.requestPersistence();
  }

  /**
   * This user's database as a plain SQLite file, as it is now, which any SQLite opens. It holds what is not sent yet too. Writes
   * go on meanwhile, and memory holds a piece at a time, whatever the size.
   * @example
   * link.href = URL.createObjectURL(await db.export({ onProgress: ({ done, total }) => show(done, total) }));
   */
  async export(options: ExportOptions = {}): Promise<Blob> {
    return exportFile(this.#core.connection, options);
  }

  /**
   * Puts a file in the place of this user's database: what `export` gave, here or on another device, or any SQLite file, whose
   * tables must fit the schema and may have rows only where they stay on the device. It is checked first, and what fails leaves
   * everything as it was (`BadFile`, `SchemaMismatch`, `QuotaExceeded`). What is pending in the file is sent; while writes are
   * pending here, this throws `PendingWrites` unless `discardPending` is said. Import files only from whom you trust.
   * @example
   * input.onchange = () => input.files?.[0] && db.import(input.files[0], { onProgress: ({ done, total }) => show(done, total) });
   */
  async import(source: ImportSource, options: ImportOptions = {}): Promise<void> {
    await this.#core.import(source, options);
  }

  /**
   * Gives the handle back. The database closes a second after the last one, unless it is opened again; `now` does not wait.
   * @example
   * await db.close();
   */
  async close(options: { readonly now?: boolean } = {}): Promise<void> {
    await this.#lifetime.release(options.now ?? false);
  }

  /**
   * Closes the database for everyone in this page and deletes it on this device, those of its other users too. Throws
   * `PendingWrites`, and does nothing, while there are writes that the server does not have, unless `discardPending` is said.
   * @example
   * await db.delete({ discardPending: await confirmed('Drop what was not sent?') });
   */
  async delete(options: CallOptions & DiscardOptions = {}): Promise<void> {
    await this.#core.delete(this.name, options.discardPending ?? false, options.signal);
    this.#lifetime.forget();
    this.#core.end(new Closed(`The database ${this.name} was deleted. Call open() again.`));
  }
}

// Older browsers have no such symbol.
if (Symbol.asyncDispose) {
  Object.defineProperty(Database.prototype, Symbol.asyncDispose, {
    value(this: Database): Promise<void> {
      return this.close();
    },
  });
}
