/** What an error carries besides its message. */
export interface ErrorContext {
  /** Whether the same call may succeed later without a change. */
  readonly retryable?: boolean;
  /** Facts for a program: the constraint, the column, the limit. */
  readonly details?: Readonly<Record<string, unknown>>;
  /** The error below this one. */
  readonly cause?: unknown;
}

/** An error as it crosses from the worker. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly retryable?: boolean;
  readonly details?: unknown;
}

/**
 * The base of every error of this package. `code` is stable; the message says what to do.
 * @example
 * try { await db.exec(query); } catch (error) { if (error instanceof SeaworthyError) show(error.code, error.message); }
 */
export class SeaworthyError extends Error {
  /** Stable, for programs. */
  readonly code: string;
  /** Whether the same call may succeed later without a change. */
  readonly retryable: boolean;
  /** Facts for a program. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, context: ErrorContext = {}) {
    super(message, context.cause === undefined ? undefined : { cause: context.cause });
    this.name = code;
    this.code = code;
    this.retryable = context.retryable ?? false;
    this.details = context.details ?? {};
  }
}

/**
 * A UNIQUE, NOT NULL, CHECK or FOREIGN KEY constraint refused the write. Nothing of it was kept.
 * @example
 * await todos.insert(row).catch((error) => { if (error instanceof ConstraintViolation) return todos.get(row.id); throw error; });
 */
export class ConstraintViolation extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('ConstraintViolation', message, context);
  }
}

/**
 * The server refused a write. It was taken back on this device and is kept in `db.writes.rejected()`.
 * @example
 * await receipt.confirmed().catch((error) => { if (error instanceof WriteRejected) toast(error.reason); });
 */
export class WriteRejected extends SeaworthyError {
  /** The server's reason, a stable word such as `forbidden` or `constraint`. */
  readonly reason: string;

  constructor(message: string, reason: string, context?: ErrorContext) {
    super('WriteRejected', message, context);
    this.reason = reason;
  }
}

/**
 * The server has not answered in the time that `confirmed({ timeout })` gave. The write is still pending.
 * @example
 * await receipt.confirmed({ timeout: 5000 }).catch((error) => { if (!(error instanceof ConfirmTimeout)) throw error; });
 */
export class ConfirmTimeout extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('ConfirmTimeout', message, { retryable: true, ...context });
  }
}

/**
 * The browser gives no more room. The write was not kept; everything before it was.
 * @example
 * if (error instanceof QuotaExceeded) askToFreeSpace();
 */
export class QuotaExceeded extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('QuotaExceeded', message, context);
  }
}

/**
 * The browser offers no storage that the database can use, or refuses it.
 * @example
 * await db.ready.catch((error) => { if (error instanceof StorageUnavailable) explainPrivateWindow(); });
 */
export class StorageUnavailable extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('StorageUnavailable', message, context);
  }
}

/**
 * The page came over plain HTTP from another machine: browsers give it neither storage nor locks.
 * @example
 * await db.ready.catch((error) => { if (error instanceof InsecureContext) location.protocol = 'https:'; });
 */
export class InsecureContext extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('InsecureContext', message, context);
  }
}

/**
 * Why a worker did not start, or went away.
 * @example
 * const hints: Partial<Record<WorkerFailure, string>> = { csp: 'Ask for worker-src in the policy.' };
 */
export type WorkerFailure = 'not-found' | 'wrong-type' | 'csp' | 'cross-origin' | 'timeout' | 'crashed';

/**
 * The worker that owns the database did not start. `cause` names the reason and the message the fix.
 * @example
 * await db.ready.catch((error) => { if (error instanceof WorkerFailed && error.cause === 'csp') reportPolicy(); });
 */
export class WorkerFailed extends SeaworthyError {
  /** The reason. */
  override readonly cause: WorkerFailure;

  constructor(message: string, cause: WorkerFailure, context?: ErrorContext) {
    super('WorkerFailed', message, context);
    this.cause = cause;
  }
}

/**
 * The worker went away in the middle of an interactive transaction. Nothing of it was written; run it again.
 * @example
 * await db.transaction(move, { retry: true });
 */
export class LeaderLost extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('LeaderLost', message, { retryable: true, ...context });
  }
}

/**
 * An interactive transaction was idle or open for too long. It was rolled back.
 * @example
 * if (error instanceof TransactionTimeout) console.warn('fetch first, then write: ', error.message);
 */
export class TransactionTimeout extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('TransactionTimeout', message, context);
  }
}

/**
 * The schema does not fit: the declaration itself, or the database that exists under this name.
 * @example
 * await db.ready.catch((error) => { if (error instanceof SchemaMismatch) location.reload(); });
 */
export class SchemaMismatch extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('SchemaMismatch', message, context);
  }
}

/**
 * Synchronisation waits for a sign-in. The queue is kept.
 * @example
 * db.on('error', (error) => { if (error instanceof AuthRequired) openSignIn(); });
 */
export class AuthRequired extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('AuthRequired', message, { retryable: true, ...context });
  }
}

/**
 * The token names another user than the one that the database belongs to. Nothing is sent.
 * @example
 * db.on('error', (error) => { if (error instanceof UserChanged) openDatabaseOf(newUser); });
 */
export class UserChanged extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('UserChanged', message, context);
  }
}

/**
 * What was written while nobody was signed in is not sent until `db.adopt()` gives it to the user who is signed in now.
 * @example
 * db.on('error', (error) => { if (error instanceof AdoptRequired && confirm('Keep what you wrote?')) void db.adopt(); });
 */
export class AdoptRequired extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('AdoptRequired', message, context);
  }
}

/**
 * Writes that the server does not have would be lost. `details.pending` counts them. Nothing was done.
 * @example
 * await db.delete().catch((error) => { if (error instanceof PendingWrites) askWhetherToDrop(error.details.pending); });
 */
export class PendingWrites extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('PendingWrites', message, context);
  }
}

/**
 * The handle was made on a server, where there is no database. Query in the browser instead.
 * @example
 * const rows = await todos.all().catch((error) => { if (error instanceof ServerSide) return []; throw error; });
 */
export class ServerSide extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('ServerSide', message, context);
  }
}

/**
 * The handle was closed, or its database deleted.
 * @example
 * await todos.all().catch((error) => { if (error instanceof Closed) return []; throw error; });
 */
export class Closed extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('Closed', message, context);
  }
}

/**
 * An integer beyond 2^53 in a column that is read as a number. Declare `integer({ mode: 'bigint' })`.
 * @example
 * if (error instanceof IntegerOutOfRange) console.error(error.details.column);
 */
export class IntegerOutOfRange extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('IntegerOutOfRange', message, context);
  }
}

/**
 * A value that SQLite cannot hold, or that does not fit its column. The message names the place.
 * @example
 * try { sql`SELECT ${undefined}`; } catch (error) { if (error instanceof BadValue) console.error(error.message); }
 */
export class BadValue extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('BadValue', message, context);
  }
}

/**
 * A file that cannot be imported: it is no SQLite database, is damaged, belongs to another user, or holds rows that no server
 * would hear of. Nothing was changed.
 * @example
 * await db.import(file).catch((error) => { if (error instanceof BadFile) show(error.message); });
 */
export class BadFile extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('BadFile', message, context);
  }
}

/**
 * SQL that SQLite does not accept.
 * @example
 * await db.all(query).catch((error) => { if (error instanceof BadSql) highlight(error.message); });
 */
export class BadSql extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('BadSql', message, context);
  }
}

/**
 * A call that is not possible here: writing in a read, using a transaction after its end.
 * @example
 * await db.all(sql`DELETE FROM todos`).catch((error) => { if (error instanceof NotAllowed) console.error(error.message); });
 */
export class NotAllowed extends SeaworthyError {
  constructor(message: string, context?: ErrorContext) {
    super('NotAllowed', message, context);
  }
}

/**
 * The server does not give a stream as it was asked for: it has none of that name, or it takes other parameters.
 * @example
 * await stream.ready.catch((error) => { if (error instanceof StreamRefused) console.error(error.reason, error.message); });
 */
export class StreamRefused extends SeaworthyError {
  /** The server's reason, a stable word: `unknown_stream`, `bad_params` or `too_many_buckets`. */
  readonly reason: string;

  constructor(message: string, reason: string, context?: ErrorContext) {
    super('StreamRefused', message, context);
    this.reason = reason;
  }
}

const CLASSES: Readonly<Record<string, new (message: string, context?: ErrorContext) => SeaworthyError>> = {
  ConstraintViolation,
  ConfirmTimeout,
  QuotaExceeded,
  StorageUnavailable,
  InsecureContext,
  LeaderLost,
  TransactionTimeout,
  SchemaMismatch,
  AuthRequired,
  UserChanged,
  AdoptRequired,
  PendingWrites,
  ServerSide,
  Closed,
  IntegerOutOfRange,
  BadValue,
  BadFile,
  BadSql,
  NotAllowed,
};

/** Makes the typed error of something that was thrown on the other side of a message port. */
export function errorFromWire(wire: WireError): SeaworthyError {
  const details = isRecord(wire.details) ? wire.details : {};
  const context = { retryable: wire.retryable ?? false, details };
  if (wire.code === 'WorkerFailed') return new WorkerFailed(wire.message, asFailure(details.cause), context);
  if (wire.code === 'WriteRejected') return new WriteRejected(wire.message, String(details.reason), context);
  const known = Object.hasOwn(CLASSES, wire.code) ? CLASSES[wire.code] : undefined;
  return known ? new known(wire.message, context) : new SeaworthyError(wire.code, wire.message, context);
}

const FAILURES: readonly WorkerFailure[] = ['not-found', 'wrong-type', 'csp', 'cross-origin', 'timeout'];

function asFailure(cause: unknown): WorkerFailure {
  return FAILURES.find((failure) => failure === cause) ?? 'crashed';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
