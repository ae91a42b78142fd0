import type { WireError } from './errors.js';
import type { SchemaDefinition } from './schema.js';

/** What the page says when it opens a database. */
export interface OpenRequest {
  readonly name: string;
  readonly storage: 'opfs' | 'memory';
  readonly schema: SchemaDefinition;
  /** The absolute base of the endpoints; `null` for a database that never synchronises. */
  readonly sync: { readonly url: string } | null;
  readonly online: boolean;
  /** The wasm module, absolute. */
  readonly wasmUrl: string;
  /** Limits of an interactive transaction, in milliseconds. */
  readonly transactionIdleMs: number;
  readonly transactionTotalMs: number;
}

/**
 * What the page asks of the worker. Statements are packed as `call.ts` says. `received` names former writes whose answers have
 * come, so that the worker may forget them.
 */
export type RequestBody =
  | { readonly op: 'open'; readonly options: OpenRequest }
  | { readonly op: 'read'; readonly call: Uint8Array }
  | { readonly op: 'write'; readonly request: string; readonly call: Uint8Array; readonly received?: readonly string[] }
  | { readonly op: 'begin'; readonly transaction: string }
  | { readonly op: 'step'; readonly transaction: string; readonly call: Uint8Array }
  | { readonly op: 'commit'; readonly transaction: string; readonly request: string; readonly received?: readonly string[] }
  | { readonly op: 'rollback'; readonly transaction: string }
  | { readonly op: 'live'; readonly live: number; readonly call: Uint8Array }
  | { readonly op: 'unlive'; readonly live: number }
  | { readonly op: 'acknowledge'; readonly requests: readonly string[] }
  | { readonly op: 'token'; readonly token: string | null }
  | { readonly op: 'online'; readonly wanted: boolean }
  | { readonly op: 'pending' }
  | { readonly op: 'rejected' }
  | { readonly op: 'retry'; readonly write: string }
  | { readonly op: 'discard'; readonly write: string }
  | { readonly op: 'fate'; readonly write: string }
  | { readonly op: 'close' }
  | { readonly op: 'delete' };

/** The name of a request. */
export type Op = RequestBody['op'];

/** A request of one kind. */
export type RequestOf<O extends Op> = Extract<RequestBody, { readonly op: O }>;

/** A numbered request. The number is the page's own. */
export type Request = RequestBody & { readonly id: number };

/** What is known of a committed write at once. */
export interface ReceiptMessage {
  readonly id: string | null;
  readonly sequence: number | null;
  readonly changes: number;
}

/** A value in the rows of a write: JSON, with tags for what JSON cannot hold. */
export type TaggedValue = null | number | string | { readonly blob: string } | { readonly integer: string } | { readonly real: string };

/** A row that a write changed. */
export interface RowChangeMessage {
  readonly table: string;
  readonly op: 'insert' | 'update' | 'delete';
  readonly indirect?: boolean;
  readonly key: Readonly<Record<string, TaggedValue>>;
  readonly old?: Readonly<Record<string, TaggedValue>>;
  readonly new?: Readonly<Record<string, TaggedValue>>;
}

/** A write that the server has not confirmed yet. */
export interface PendingMessage {
  readonly id: string;
  readonly sequence: number;
  readonly committed_at_ms: number;
  readonly sent: boolean;
  readonly blocked: boolean;
  readonly changes: readonly RowChangeMessage[];
}

/** A row over which the server refused a write, without its key. */
export interface ConflictMessage {
  readonly table: string;
  readonly kind: 'data' | 'not_found' | 'exists';
  readonly key: Readonly<Record<string, TaggedValue>>;
  readonly base: Readonly<Record<string, TaggedValue>> | null;
  readonly local: Readonly<Record<string, TaggedValue>> | null;
  readonly remote: Readonly<Record<string, TaggedValue>> | null;
}

/** A write that the server refused. */
export interface RejectedMessage {
  readonly id: string;
  readonly code: string;
  readonly message: string;
  readonly position: number;
  readonly committed_at_ms: number;
  readonly changes: readonly RowChangeMessage[];
  readonly conflicts?: readonly ConflictMessage[];
}

/** What became of a write. */
export type FateMessage = { readonly state: 'pending' | 'confirmed' | 'unknown' } | { readonly state: 'rejected'; readonly write: RejectedMessage };

/** The state of the connection, in the engine's words. */
export type ConnectionState = 'offline' | 'connecting' | 'online' | 'needs-auth' | 'upgrade-required' | 'user-changed';

/** What the worker knows of synchronisation. */
export interface StatusMessage {
  readonly connection: ConnectionState;
  readonly over_fetch: boolean;
  readonly pending: number;
  readonly blocked: number;
  readonly rejected: number;
  readonly last_synced_at_ms: number | null;
  readonly user: { readonly issuer: string; readonly subject: string } | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/** What each request is answered with. */
export interface Answers {
  readonly open: StatusMessage;
  readonly read: Uint8Array;
  readonly write: { readonly receipt: ReceiptMessage; readonly buffer: Uint8Array };
  readonly begin: null;
  readonly step: Uint8Array;
  readonly commit: ReceiptMessage;
  readonly rollback: null;
  readonly live: Uint8Array;
  readonly unlive: null;
  readonly acknowledge: null;
  readonly token: null;
  readonly online: null;
  readonly pending: readonly PendingMessage[];
  readonly rejected: readonly RejectedMessage[];
  readonly retry: ReceiptMessage;
  readonly discard: null;
  readonly fate: FateMessage;
  readonly close: null;
  readonly delete: null;
}

/** What the worker says of itself. */
export type WorkerEvent =
  /** The worker's code runs. */
  | { readonly type: 'hello' }
  /** Who owns the database: this worker, or one of another tab that this one waits for. */
  | { readonly type: 'owner'; readonly owner: 'this-tab' | 'other-tab' }
  /** The wasm instance is dead; the request with this number was running, if any was. The page starts another worker. */
  | { readonly type: 'crashed'; readonly id: number | null; readonly message: string };

/** What the wasm module emits; the worker passes it on. */
export type EngineEvent =
  | { readonly type: 'status'; readonly status: StatusMessage }
  | { readonly type: 'need-token'; readonly renew: boolean }
  | { readonly type: 'live'; readonly id: number; readonly buffer: Uint8Array }
  | { readonly type: 'live'; readonly id: number; readonly error: WireError }
  | { readonly type: 'confirmed'; readonly ids: readonly string[] }
  | { readonly type: 'rejected'; readonly writes: readonly RejectedMessage[] }
  | { readonly type: 'error'; readonly error: WireError };

/** An answer to a numbered request. */
export type Response =
  | { readonly type: 'ok'; readonly id: number; readonly answer: Answers[Op] }
  | { readonly type: 'failed'; readonly id: number; readonly error: WireError };

/** Everything that comes from the worker. */
export type WorkerMessage = WorkerEvent | EngineEvent | Response;
