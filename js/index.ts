/**
 * SQLite in the browser that works offline and synchronises.
 * @module
 */

export type { Column, ColumnKind, OnDelete } from './column.js';
export { blob, boolean, id, integer, json, real, text, timestamp } from './column.js';
export type { DatabaseEvents } from './core.js';
export type { Database, DiscardOptions } from './database.js';
export type { WorkerFailure } from './errors.js';
export {
  AdoptRequired,
  AuthRequired,
  BadFile,
  BadSql,
  BadValue,
  Closed,
  ConfirmTimeout,
  ConstraintViolation,
  InsecureContext,
  IntegerOutOfRange,
  LeaderLost,
  NotAllowed,
  PendingWrites,
  QuotaExceeded,
  SchemaMismatch,
  SeaworthyError,
  ServerSide,
  StorageUnavailable,
  StreamRefused,
  TransactionTimeout,
  UserChanged,
  WorkerFailed,
  WriteRejected,
} from './errors.js';
export type { ExportOptions, FileProgress, ImportOptions, ImportSource } from './files.js';
export type { LiveQuery } from './live.js';
export type { OpenOptions, SyncOptions } from './open.js';
export { open } from './open.js';
export type { CallOptions, TableQuery, WriteOptions } from './query.js';
export type { BatchReceipt, Receipt, Result, TransactionReceipt } from './receipt.js';
export type { Resolver, RowConflict } from './resolve.js';
export type { Schema, SchemaOptions, Tables } from './schema.js';
export { schema } from './schema.js';
export type { AnyRow, SqlTag } from './sql.js';
export { Sql, sql } from './sql.js';
export type { Status, User } from './status.js';
export type { StorageStatus, StorageTier } from './storage.js';
export type { ReleaseOptions, Stream, StreamInfo, StreamStatus, Streams } from './stream.js';
export type { InsertOf, Policy, RowOf, Table, TableOptions, UpdateOf } from './table.js';
export { table } from './table.js';
export type { Key, TableHandle } from './table-handle.js';
export type { TokenCallback } from './token.js';
export type { Transaction, TransactionOptions } from './transaction.js';
export { uuid } from './uuid.js';
export type { Bindable, SqlValue } from './value.js';
export type { ConfirmOptions, Conflict, PendingWrite, RejectedWrite, RetryOptions, RowChange } from './writes.js';
