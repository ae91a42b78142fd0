import { decodeAnswer, type StatementAnswer } from './answer.js';
import { encodeCall, type Statement } from './call.js';
import { Connection, type ConnectionListener, type WorkerSource } from './connection.js';
import { Emitter } from './emitter.js';
import { AdoptRequired, AuthRequired, Closed, errorFromWire, SeaworthyError, ServerSide, UserChanged } from './errors.js';
import { type ImportOptions, type ImportSource, importFile } from './files.js';
import type { LiveQuery } from './live.js';
import { LiveSet } from './live-set.js';
import type { EngineEvent, OpenRequest, ReceiptMessage, RequestOf, StatusMessage, UserMessage } from './messages.js';
import type { CallOptions, Runner, Write, WriteOptions } from './query.js';
import { Receipt, WritePromise } from './receipt.js';
import { Resolvers } from './resolve.js';
import { buildRows } from './rows.js';
import type { Schema } from './schema.js';
import type { Sql } from './sql.js';
import { fromMessage, type Status, StatusSource } from './status.js';
import { mark, marked, StorageSource, type StorageStatus } from './storage.js';
import { StreamSet } from './stream-set.js';
import { type TokenCallback, TokenSource, userOf } from './token.js';
import { requestId } from './uuid.js';
import { type RejectedWrite, Writes } from './writes.js';

/**
 * What `db.on` can listen to.
 * @example
 * const report = (error: DatabaseEvents['error']) => console.error(error.code, error.message);
 * db.on('error', report);
 */
export interface DatabaseEvents {
  /** The server refused a write; it is kept in `db.writes.rejected()`. */
  readonly rejected: RejectedWrite;
  /** The server accepted these writes. */
  readonly confirmed: readonly string[];
  /** A failure that no promise carries: of synchronisation, of storage, or of a write that nobody awaits. */
  readonly error: SeaworthyError;
  /** The first write of this page that is to be sent, while the browser may still delete it: `db.requestPersistence()`. */
  readonly 'storage-not-persisted': StorageStatus;
  /** There was a database, and it vanished: this one began empty, and what was not sent is gone. */
  readonly 'storage-lost': StorageStatus;
}

/** The parts of a database that its handle, its tables and its transactions share. */
export class Core implements Runner<'database'>, ConnectionListener {
  readonly schema: Schema;
  readonly connection: Connection;
  readonly status = new StatusSource();
  readonly storage: StorageSource;
  readonly events = new Emitter<DatabaseEvents>();
  readonly writes: Writes;
  readonly resolvers: Resolvers;
  readonly liveQueries: LiveSet;
  readonly streams: StreamSet;
  readonly #tokens: TokenSource;
  /** The handle is of no use any more. */
  readonly #ended: () => void;

  constructor(source: WorkerSource, options: OpenRequest, schema: Schema, token: TokenCallback, ended: () => void) {
    this.schema = schema;
    this.#ended = ended;
    this.connection = new Connection(source, options, this);
    this.storage = new StorageSource(options.name, options.storage, {
      notPersisted: (status) => void this.events.emit('storage-not-persisted', status),
      lost: (status) => {
        if (!this.events.emit('storage-lost', status)) console.warn(`The database ${options.name} vanished from this browser's storage, and begins anew.`);
      },
    });
    this.writes = new Writes(this.connection, schema);
    this.resolvers = new Resolvers(this.connection, schema, (error) => this.report(error));
    this.liveQueries = new LiveSet(this.connection, schema, (error) => this.report(error));
    this.streams = new StreamSet(this.connection, (error) => this.report(error));
    const tell = (request: RequestOf<'token' | 'no-token'>): void => void this.connection.call(request).catch(() => {});
    this.#tokens = new TokenSource(token, {
      give: (given) => tell({ op: 'token', token: given }),
      miss: () => tell({ op: 'no-token' }),
      report: (error) => this.report(error),
    });
  }

  async all<Row extends object>(query: Sql<Row>, options: CallOptions = {}): Promise<readonly Row[]> {
    const call = encodeCall([single(query)]);
    const [answer] = decodeAnswer(await this.connection.call({ op: 'read', call }, options.signal));
    return rowsOf(answer, this.schema);
  }

  write<Row extends object>(make: () => Write<Row>, options: WriteOptions = {}): Promise<Receipt<Row>> {
    const run = async (): Promise<Receipt<Row>> => {
      const write = make();
      if (write.sets === 0) return new Receipt<Row>(NOTHING, [], this.writes);
      const { receipt, answers } = await this.run([write], options);
      return new Receipt(receipt, write.rows ?? rowsOf<Row>(answers[0], this.schema), this.writes);
    };
    return this.watch(run());
  }

  /** Runs statements in one transaction. */
  async run(statements: readonly Statement[], { signal, onConflict: policy }: WriteOptions): Promise<{ receipt: ReceiptMessage; answers: StatementAnswer[] }> {
    const call = encodeCall(statements);
    const { receipt, buffer } = await this.connection.call({ op: 'write', request: requestId(), call, ...(policy ? { policy } : {}) }, signal);
    this.committed(receipt);
    return { receipt, answers: decodeAnswer(buffer) };
  }

  /** A transaction is on this device; one with an id is to be sent. */
  committed({ id }: ReceiptMessage): void {
    if (id !== null) this.storage.synced();
  }

  /** Lets a failure that nobody awaits reach `db.on('error')`. */
  watch<T>(work: Promise<T>): Promise<T> {
    return WritePromise.watch(work, (error) => this.events.emit('error', asError(error)));
  }

  live<Row extends object>(query: Sql<Row>): LiveQuery<Row> {
    return this.liveQueries.query(query);
  }

  /** Starts the worker. Resolves when the database is open. */
  async open(): Promise<void> {
    const status = await this.connection.open();
    this.noteStatus(status);
    this.storage.opened(status.storage);
  }

  /** There can be no database here. */
  refuse(error: SeaworthyError): void {
    this.connection.end(error);
    // What is rendered on a server must be what the browser renders first.
    if (!(error instanceof ServerSide)) this.status.update({ error: { code: error.code, message: error.message } });
  }

  /** Says whether a connection is wanted; a worker that is started later hears it too. */
  async setOnline(wanted: boolean): Promise<void> {
    this.connection.setOnline(wanted);
    await this.connection.call({ op: 'online', wanted });
  }

  /** Opens the database of who is signed in now; that of the former user keeps what is pending in it. */
  async switchUser(discardPending: boolean): Promise<void> {
    const token = await this.#tokens.current(true);
    const user = userOf(token);
    const former = this.status.getSnapshot().user;
    const { switched, status } = await this.connection.alone({ op: 'switch', user, discardPending });
    this.noteStatus(status);
    // A worker that was started meanwhile has been asked everything anew, and switches nothing a second time.
    if (switched || (former && !isSameUser(former, status.user))) {
      this.#left();
      this.#watchAnew();
      this.resolvers.check();
    }
    await this.connection.call({ op: 'token', token });
  }

  /** Puts a file in the place of the database. The worker opens one anew in any case, so what is watched is watched again. */
  async import(source: ImportSource, options: ImportOptions): Promise<void> {
    try {
      this.noteStatus(await importFile(this.connection, source, options));
    } finally {
      this.writes.restarted();
      this.resolvers.left();
      this.#watchAnew();
    }
  }

  /** Another engine runs, which knows nothing of what this page follows. */
  #watchAnew(): void {
    this.liveQueries.restarted();
    this.streams.restarted();
  }

  #left(): void {
    this.writes.left();
    this.resolvers.left();
  }

  /** Gives what nobody wrote to who is signed in now. */
  async adopt(): Promise<void> {
    const token = await this.#tokens.current(false);
    await this.connection.call({ op: 'token', token });
    await this.connection.call({ op: 'adopt' });
  }

  /** Deletes the database; nobody misses it afterwards. */
  async delete(name: string, discardPending: boolean, signal?: AbortSignal): Promise<void> {
    const former = marked(name);
    mark(name, null);
    try {
      await this.connection.call({ op: 'delete', discardPending }, signal);
    } catch (error) {
      mark(name, former);
      throw error;
    }
  }

  /** Asks the application for a token. */
  authenticate(): Promise<void> {
    return this.#tokens.demand(true);
  }

  /** Tells `db.on('error')`. */
  report(error: SeaworthyError): void {
    this.events.emit('error', error);
  }

  event(event: EngineEvent): void {
    switch (event.type) {
      case 'status':
        this.noteStatus(event.status);
        break;
      case 'need-token':
        void this.#tokens.demand(event.renew);
        break;
      case 'live':
        this.liveQueries.receive(event);
        break;
      case 'streams':
        this.streams.receive(event.streams);
        break;
      case 'confirmed':
        this.writes.noteConfirmed(event.ids);
        this.events.emit('confirmed', event.ids);
        break;
      case 'rejected':
        for (const write of event.writes) {
          this.writes.noteRejected(write);
          // Where the policy lets the server's row stand, or a resolver decides, the write is kept and nobody is alarmed.
          if (write.code !== 'discarded' && !this.resolvers.takes(write)) this.events.emit('rejected', this.writes.toRejected(write));
        }
        this.resolvers.check();
        break;
      case 'error':
        this.report(errorFromWire(event.error));
        break;
    }
  }

  owner(owner: Status['owner']): void {
    this.status.update({ owner });
  }

  reopened(status: StatusMessage): boolean {
    const former = this.status.getSnapshot().user;
    const isOther = former !== null && !isSameUser(former, status.user);
    this.noteStatus(status);
    if (isOther) this.#left();
    else this.writes.restarted();
    this.resolvers.check();
    this.#watchAnew();
    return isOther;
  }

  deleted(): void {
    this.#ended();
    this.end(new Closed('The database was deleted in another tab. Call open() again.'));
  }

  failed(error: SeaworthyError): void {
    this.status.update({ connection: 'offline', error: { code: error.code, message: error.message } });
    this.report(error);
  }

  /** Closes the database in order, then ends everything. */
  async close(error: SeaworthyError): Promise<void> {
    this.connection.flush();
    await Promise.race([this.connection.call({ op: 'close' }).catch(() => {}), new Promise((late) => setTimeout(late, CLOSE_PATIENCE_MS))]);
    this.end(error);
  }

  /** Ends everything; what waits fails. */
  end(error: SeaworthyError): void {
    this.#tokens.stop();
    this.connection.end(error);
    this.streams.end(error);
    this.status.update({ connection: 'closed', error: null });
  }

  /** Takes over a status, and reports what the application must act on. */
  noteStatus(message: StatusMessage): void {
    const before = this.status.getSnapshot().connection;
    this.status.update(fromMessage(message));
    this.storage.located(message.storage, message.storage_lost);
    if (message.connection === before) return;
    const words = message.error?.message;
    if (message.connection === 'needs-auth') this.report(new AuthRequired(words ?? 'Sign in, then call db.authenticate(). What is pending is kept.'));
    if (message.connection === 'needs-adopt') this.report(new AdoptRequired(words ?? 'Call db.adopt() to send what was written before the sign-in.'));
    if (message.connection === 'user-changed') this.report(new UserChanged(words ?? 'The token names another user than this database belongs to.'));
  }
}

/** A worker that is busy for longer is ended as it is: what was committed is in the file. */
const CLOSE_PATIENCE_MS = 2000;

const NOTHING: ReceiptMessage = { id: null, sequence: null, changes: 0 };

/** The rows of an answer; a repeated write whose rows were too many to keep has none. */
export function rowsOf<Row extends object>(answer: StatementAnswer | undefined, schema: Schema): readonly Row[] {
  return answer ? buildRows<Row>(answer, schema) : [];
}

/** A query as a statement that runs once. */
export function single(query: Sql<object>): Statement {
  return { text: query.text, values: query.values, sets: 1 };
}

function isSameUser(one: UserMessage, other: UserMessage | null): boolean {
  return one.issuer === other?.issuer && one.subject === other.subject;
}

function asError(thrown: unknown): SeaworthyError {
  return thrown instanceof SeaworthyError ? thrown : new SeaworthyError('Internal', String(thrown), { cause: thrown });
}
