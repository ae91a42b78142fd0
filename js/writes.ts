import { decodeCells, encodeCells } from './cells.js';
import type { Connection } from './connection.js';
import { ConfirmTimeout, SeaworthyError, UserChanged, WriteRejected } from './errors.js';
import type { ChangedRow, Conflict as ConflictMessage, Policy, Value } from './generated/protocol.js';
import type { Decision, PendingMessage, RejectedMessage } from './messages.js';
import { Receipt } from './receipt.js';
import type { Schema } from './schema.js';
import { requestId } from './uuid.js';

/**
 * How long to wait for the server.
 * @example
 * const options: ConfirmOptions = { timeout: 5000 };
 * await receipt.confirmed(options);
 */
export interface ConfirmOptions {
  /** In milliseconds; without it as long as it takes. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/**
 * A row that a write changed, with values as the application sees them.
 * @example
 * const describe = ({ table, op, key }: RowChange) => `${op} ${table} ${String(key.id)}`;
 */
export interface RowChange {
  readonly table: string;
  readonly op: 'insert' | 'update' | 'delete';
  readonly key: Readonly<Record<string, unknown>>;
  /** The former values of the columns that changed. */
  readonly old: Readonly<Record<string, unknown>>;
  /** Their new values. */
  readonly new: Readonly<Record<string, unknown>>;
}

/**
 * A row over which a write was refused, because others had changed it.
 * @example
 * const describe = ({ table, base, local, remote }: Conflict) => [table, base, local, remote];
 */
export interface Conflict {
  readonly table: string;
  /** `data`: it has other values; `not_found`: it is gone; `exists`: it was there already. */
  readonly kind: 'data' | 'not_found' | 'exists';
  readonly key: Readonly<Record<string, unknown>>;
  /** The cells of the write as they were before it; `null` for an insert. */
  readonly base: Readonly<Record<string, unknown>> | null;
  /** The cells that the write wanted; `null` for a delete. */
  readonly local: Readonly<Record<string, unknown>> | null;
  /** The server's row; `null` where it has none. */
  readonly remote: Readonly<Record<string, unknown>> | null;
}

/**
 * A write that the server has not confirmed.
 * @example
 * for (const write of await db.writes.pending()) console.log(write.committedAt, write.changes.length);
 */
export interface PendingWrite {
  readonly id: string;
  readonly committedAt: Date;
  /** It may have reached the server. */
  readonly sent: boolean;
  /** It cannot stand on what others wrote, and waits for the server's decision. */
  readonly blocked: boolean;
  readonly changes: readonly RowChange[];
}

/**
 * A write that the server refused. Its effect is gone from this device, and it is kept until it is retried or discarded.
 * @example
 * for (const write of await db.writes.rejected()) if (write.reason === 'forbidden') await write.discard();
 */
export class RejectedWrite {
  readonly id: string;
  /** A stable word: `forbidden`, `constraint`, `foreign_key`, `row_deleted`, `conflict`, `discarded`, `lost_by_restore`, … */
  readonly reason: string;
  /** The server's words. */
  readonly message: string;
  readonly changes: readonly RowChange[];
  /** The rows that others had changed meanwhile, where that is the reason (`conflict`, `discarded`). */
  readonly conflicts: readonly Conflict[];
  /** The policy that decided, where rows conflicted. Under `manual` a resolver may end it; see `db.resolve`. */
  readonly policy: Policy | null;
  /** The ids of refused writes that it builds on. */
  readonly buildsOn: readonly string[];
  readonly #writes: Writes;

  constructor(message: RejectedMessage, schema: Schema, writes: Writes) {
    this.id = message.id;
    this.reason = message.code;
    this.message = message.message;
    this.changes = decodeChanges(message.changes, schema);
    this.conflicts = (message.conflicts ?? []).map((conflict) => decodeConflict(conflict, schema));
    this.policy = message.policy ?? null;
    this.buildsOn = message.builds_on ?? [];
    this.#writes = writes;
  }

  /**
   * Makes the write again, as a new one on top of what the database holds now; then this one is gone. Where it cannot stand
   * there, `CannotRetry` is thrown and it is kept.
   * @example
   * const receipt = await write.retry();
   * await write.retry({ edit: ({ new: cells }) => ({ ...cells, title: 'Shorter' }) });
   */
  async retry(options: RetryOptions = {}): Promise<Receipt> {
    return this.#writes.retry(this, options);
  }

  /**
   * Forgets the write.
   * @example
   * await write.discard();
   */
  async discard(): Promise<void> {
    return this.#writes.discard(this.id);
  }
}

/**
 * How a refused write is made again.
 * @example
 * const shorten: RetryOptions = { edit: ({ table, new: cells }) => (table === 'todos' ? { title: String(cells.title).slice(0, 80) } : undefined) };
 */
export interface RetryOptions {
  /** Called for each row that it inserts or updates; gives cells to write instead of its own. */
  readonly edit?: (change: RowChange) => Readonly<Record<string, unknown>> | undefined;
}

/** Somebody who waits for a write's end. */
interface Waiter {
  readonly confirmed: () => void;
  readonly failed: (error: unknown) => void;
}

/** The writes that are under way, and those that came to nothing. Get it from `db.writes`. */
export class Writes {
  readonly #connection: Connection;
  readonly #schema: Schema;
  readonly #waiters = new Map<string, Set<Waiter>>();

  constructor(connection: Connection, schema: Schema) {
    this.#connection = connection;
    this.#schema = schema;
  }

  /**
   * The writes that the server has not confirmed, oldest first.
   * @example
   * const unsent = (await db.writes.pending()).filter((write) => !write.sent);
   */
  async pending(options: { readonly signal?: AbortSignal } = {}): Promise<readonly PendingWrite[]> {
    const messages = await this.#connection.call({ op: 'pending' }, options.signal);
    return messages.map((message) => pendingWrite(message, this.#schema));
  }

  /**
   * The writes that the server refused and that were neither retried nor discarded.
   * @example
   * const [write] = await db.writes.rejected();
   */
  async rejected(options: { readonly signal?: AbortSignal } = {}): Promise<readonly RejectedWrite[]> {
    const messages = await this.#connection.call({ op: 'rejected' }, options.signal);
    return messages.map((message) => this.toRejected(message));
  }

  /**
   * Resolves when the server has accepted the write with this id, also after a reload. Rejects with `WriteRejected`, or
   * with `ConfirmTimeout` while it is still pending.
   * @example
   * await db.writes.confirmed(id, { timeout: 5000 });
   */
  async confirmed(id: string, options: ConfirmOptions = {}): Promise<void> {
    const { timeout, signal } = options;
    signal?.throwIfAborted();
    let waiter: Waiter | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let stop: (() => void) | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        waiter = { confirmed: resolve, failed: reject };
        this.#waiters.set(id, (this.#waiters.get(id) ?? new Set()).add(waiter));
        stop = () => reject(signal?.reason);
        signal?.addEventListener('abort', stop);
        if (timeout !== undefined) timer = setTimeout(() => reject(notYet(id, timeout)), timeout);
        void this.#ask(id);
      });
    } finally {
      clearTimeout(timer);
      if (stop) signal?.removeEventListener('abort', stop);
      if (waiter) this.#leave(id, waiter);
    }
  }

  /** Makes a refused write again. */
  async retry(write: RejectedWrite, { edit }: RetryOptions): Promise<Receipt> {
    const edits = write.changes.flatMap((change): Decision[] => {
      const cells = change.op === 'delete' ? undefined : edit?.(change);
      const { table, key } = change;
      return cells ? [{ table, key: encodeCells(key, table, this.#schema), row: encodeCells({ ...change.new, ...cells }, table, this.#schema) }] : [];
    });
    return new Receipt(await this.#connection.call({ op: 'retry', request: requestId(), write: write.id, edits }), [], this);
  }

  /** Forgets a refused write. */
  async discard(id: string): Promise<void> {
    await this.#connection.call({ op: 'discard', write: id });
  }

  /** The worker says that the server accepted these. */
  noteConfirmed(ids: readonly string[]): void {
    for (const id of ids) for (const waiter of this.#waiters.get(id) ?? []) waiter.confirmed();
  }

  /** The worker says that the server refused this. */
  noteRejected(write: RejectedMessage): void {
    const error = new WriteRejected(`The server refused the write (${write.code}): ${write.message}`, write.code, { details: { id: write.id } });
    for (const waiter of this.#waiters.get(write.id) ?? []) waiter.failed(error);
  }

  /** The database of another user is open: what is awaited stays pending in the one that was left. */
  left(): void {
    const error = new UserChanged('The write is kept in the database of its user, and is sent when that user is signed in again.');
    for (const id of this.#waiters.keys()) this.#failAll(id, error);
  }

  /** Another worker runs: what the last one would have said must be asked for. */
  restarted(): void {
    for (const id of this.#waiters.keys()) void this.#ask(id);
  }

  /** A refused write as the application sees it. */
  toRejected(message: RejectedMessage): RejectedWrite {
    return new RejectedWrite(message, this.#schema, this);
  }

  async #ask(id: string): Promise<void> {
    try {
      const fate = await this.#connection.call({ op: 'fate', write: id });
      if (fate.state === 'confirmed') this.noteConfirmed([id]);
      else if (fate.state === 'rejected') this.noteRejected(fate.write);
      else if (fate.state === 'unknown') this.#failAll(id, unknownWrite(id));
    } catch (error) {
      this.#failAll(id, error);
    }
  }

  #failAll(id: string, error: unknown): void {
    for (const waiter of this.#waiters.get(id) ?? []) waiter.failed(error);
  }

  #leave(id: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(id);
    waiters?.delete(waiter);
    if (waiters?.size === 0) this.#waiters.delete(id);
  }
}

function notYet(id: string, timeout: number): ConfirmTimeout {
  return new ConfirmTimeout(`The server has not answered within ${timeout} ms. The write is still pending and will be sent.`, { details: { id } });
}

function unknownWrite(id: string): SeaworthyError {
  return new SeaworthyError('UnknownWrite', `No write of this database has the id ${id}: it was retried or discarded, or it is of another database.`);
}

function pendingWrite(message: PendingMessage, schema: Schema): PendingWrite {
  const { id, sent, blocked } = message;
  return { id, committedAt: new Date(message.committed_at_ms), sent, blocked, changes: decodeChanges(message.changes, schema) };
}

function decodeChanges(changes: readonly ChangedRow[], schema: Schema): readonly RowChange[] {
  return changes.map(({ table, op, key, old = {}, new: after = {} }) => {
    const decode = (cells: Readonly<Record<string, Value>>) => decodeCells(cells, table, schema);
    return { table, op, key: decode(key), old: decode(old), new: decode(after) };
  });
}

function decodeConflict({ table, kind, key, base, local, remote }: ConflictMessage, schema: Schema): Conflict {
  const decode = (cells: Readonly<Record<string, Value>> | null) => cells && decodeCells(cells, table, schema);
  return { table, kind, key: decodeCells(key, table, schema), base: decode(base), local: decode(local), remote: decode(remote) };
}
