import type { WireError } from './errors.js';
import type { ChangedRow, Conflict, Policy, Value } from './generated/protocol.js';
import type { SchemaDefinition } from './schema.js';
import type { StorageTier } from './storage.js';

/** A user, as the token names them. */
export interface UserMessage {
  readonly issuer: string;
  readonly subject: string;
}

/** What the page says when it opens a database. */
export interface OpenRequest {
  readonly name: string;
  /** Where it may be, in the order of preference. */
  readonly storage: readonly StorageTier[];
  /** Where the page remembers it to be. */
  readonly marked: StorageTier | null;
  readonly durability: 'relaxed' | 'strict';
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
  | {
      readonly op: 'write';
      readonly request: string;
      readonly call: Uint8Array;
      readonly policy?: Policy;
      readonly received?: readonly string[];
      /** It was under way when another worker ended: it runs alone, so that one that ends worker after worker is found. */
      readonly again?: true;
    }
  | { readonly op: 'begin'; readonly transaction: string }
  | { readonly op: 'step'; readonly transaction: string; readonly call: Uint8Array }
  | { readonly op: 'commit'; readonly transaction: string; readonly request: string; readonly policy?: Policy; readonly received?: readonly string[] }
  | { readonly op: 'rollback'; readonly transaction: string }
  | { readonly op: 'live'; readonly live: number; readonly call: Uint8Array }
  | { readonly op: 'unlive'; readonly live: number }
  /** Subscribes to a stream. `key` is the same in every page for the same stream and parameters. */
  | { readonly op: 'stream'; readonly key: string; readonly stream: string; readonly params: Readonly<Record<string, Value>> }
  | { readonly op: 'unstream'; readonly key: string; readonly keepMs: number }
  | { readonly op: 'acknowledge'; readonly requests: readonly string[] }
  | { readonly op: 'token'; readonly token: string | null }
  | { readonly op: 'no-token' }
  | { readonly op: 'adopt' }
  | { readonly op: 'switch'; readonly user: UserMessage; readonly discardPending: boolean }
  | { readonly op: 'online'; readonly wanted: boolean }
  | { readonly op: 'pending' }
  | { readonly op: 'rejected' }
  | { readonly op: 'retry'; readonly request: string; readonly write: string; readonly edits: readonly Decision[]; readonly received?: readonly string[] }
  | { readonly op: 'conflicts' }
  | {
      readonly op: 'resolve';
      readonly request: string;
      readonly write: string;
      readonly decisions: readonly Decision[];
      readonly received?: readonly string[];
    }
  | { readonly op: 'discard'; readonly write: string }
  | { readonly op: 'fate'; readonly write: string }
  /** Begins an export; its pieces are asked for one by one. */
  | { readonly op: 'export'; readonly export: string }
  | { readonly op: 'export-read'; readonly export: string; readonly at: number }
  | { readonly op: 'export-end'; readonly export: string }
  /** A piece of a file; that at 0 begins an import. */
  | { readonly op: 'import-write'; readonly import: string; readonly at: number; readonly bytes: Uint8Array }
  /** The file is whole, and takes the database's place. */
  | { readonly op: 'import-end'; readonly import: string; readonly discardPending: boolean }
  | { readonly op: 'import-drop'; readonly import: string }
  | { readonly op: 'close' }
  | { readonly op: 'delete'; readonly discardPending: boolean };

/** The name of a request. */
export type Op = RequestBody['op'];

/** A request of one kind. */
export type RequestOf<O extends Op> = Extract<RequestBody, { readonly op: O }>;

/** A numbered request. The number is the page's own. */
export type Request = RequestBody & { readonly id: number };

/** What the page tells its worker, without an answer. */
export type Notice =
  /** A port to the SharedWorker that brings the workers of tabs together. */
  | { readonly op: 'broker'; readonly port: MessagePort }
  /** Whether a person can see the page. */
  | { readonly op: 'visible'; readonly visible: boolean }
  /** Whether the page remembers that there is a database. */
  | { readonly op: 'remembered'; readonly remembered: boolean }
  /** The worker is asked whether it lives. */
  | { readonly op: 'ping' };

/** Everything that comes from the page. */
export type PageMessage = Request | Notice;

/** The wasm module that the page compiled while the worker started; `null` if it could not. */
export interface ModuleMessage {
  readonly op: 'module';
  readonly module: WebAssembly.Module | null;
}

/** What is known of a committed write at once. */
export interface ReceiptMessage {
  readonly id: string | null;
  readonly sequence: number | null;
  readonly changes: number;
}

/** A write that the server has not confirmed yet. */
export interface PendingMessage {
  readonly id: string;
  readonly sequence: number;
  readonly committed_at_ms: number;
  readonly sent: boolean;
  readonly blocked: boolean;
  readonly changes: readonly ChangedRow[];
}

/** A write that the server refused. */
export interface RejectedMessage {
  readonly id: string;
  readonly code: string;
  readonly message: string;
  readonly position: number;
  readonly committed_at_ms: number;
  readonly changes: readonly ChangedRow[];
  readonly conflicts?: readonly Conflict[];
  readonly conflicts_left_out?: number;
  /** The policy that decided, where rows conflicted. */
  readonly policy?: Policy | null;
  /** Rejected writes that it builds on. */
  readonly builds_on?: readonly string[];
}

/** A refused write that a resolver may decide. Its images leave the key out. */
export interface OpenConflict {
  readonly id: string;
  readonly rows: readonly Conflict[];
}

/** Cells by column. */
export type Image = Readonly<Record<string, Value>>;

/** What a row is to be; `null`: no such row. */
export interface Decision {
  readonly table: string;
  readonly key: Image;
  /** The row that was decided over, which must still be so. */
  readonly over?: { readonly remote: Image | null };
  /** Without the key. */
  readonly row: Image | null;
}

/** What became of a write. */
export type FateMessage = { readonly state: 'pending' | 'confirmed' | 'unknown' } | { readonly state: 'rejected'; readonly write: RejectedMessage };

/** The state of the connection, in the engine's words. */
export type ConnectionState = 'offline' | 'connecting' | 'online' | 'needs-auth' | 'upgrade-required' | 'user-changed' | 'needs-adopt';

/** What the worker knows of synchronisation. */
export interface StatusMessage {
  readonly connection: ConnectionState;
  readonly over_fetch: boolean;
  readonly pending: number;
  readonly blocked: number;
  readonly rejected: number;
  readonly last_synced_at_ms: number | null;
  readonly user: UserMessage | null;
  readonly error: { readonly code: string; readonly message: string } | null;
  readonly storage: StorageTier;
  /** There was a database before this one, and it vanished. */
  readonly storage_lost: boolean;
}

/** A stream, and how much of it is here. */
export interface StreamMessage {
  readonly stream: string;
  readonly params: Readonly<Record<string, Value>>;
  readonly auto: boolean;
  readonly ready: boolean;
  /** Of how many buckets it consists for this user. */
  readonly buckets: number;
  /** How many of them are here. */
  readonly joined: number;
  readonly rows: number;
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
  readonly stream: null;
  readonly unstream: null;
  readonly acknowledge: null;
  readonly token: null;
  readonly 'no-token': null;
  readonly adopt: null;
  readonly switch: { readonly switched: boolean; readonly status: StatusMessage };
  readonly online: null;
  readonly pending: readonly PendingMessage[];
  readonly rejected: readonly RejectedMessage[];
  readonly retry: ReceiptMessage;
  readonly conflicts: readonly OpenConflict[];
  readonly resolve: ReceiptMessage;
  readonly discard: null;
  readonly fate: FateMessage;
  readonly export: { readonly size: number };
  readonly 'export-read': Uint8Array;
  readonly 'export-end': null;
  readonly 'import-write': null;
  readonly 'import-end': StatusMessage;
  readonly 'import-drop': null;
  readonly close: null;
  readonly delete: null;
}

/** What the worker says of itself. */
export type WorkerEvent =
  /** The worker's code runs. */
  | { readonly type: 'hello' }
  /** It lives. */
  | { readonly type: 'pong' }
  /** The database that the page remembered is not there: does it remember it still? */
  | { readonly type: 'vanished' }
  /** Who owns the database. */
  | { readonly type: 'owner'; readonly owner: Owner }
  /** The wasm instance is dead; the request with this number was running, if any was. The page starts another worker. */
  | { readonly type: 'crashed'; readonly id: number | null; readonly message: string }
  /** The wasm instance of another tab died while it ran this request. */
  | { readonly type: 'blamed'; readonly id: number; readonly message: string }
  /** Another worker owns the database, or it was opened anew there: the page opens it anew, and asks again what is unanswered. */
  | { readonly type: 'moved' }
  /** Whether a connection is wanted, which holds for every tab. */
  | { readonly type: 'wanted'; readonly online: boolean }
  /** The owner is of a newer release and does not serve this page. */
  | { readonly type: 'outdated'; readonly error: WireError }
  /** The database was deleted in another tab. */
  | { readonly type: 'deleted' };

/**
 * Who owns the database: a worker of this page or of another tab; or that one does not answer; or it is of a newer release,
 * and this page must be reloaded.
 */
export type Owner = 'this-tab' | 'other-tab' | 'unresponsive' | 'outdated';

/** The wasm module could not store what was committed, and must be opened again. Nobody was told of those commits. */
export interface UnsavedEvent {
  readonly type: 'unsaved';
  readonly error: WireError;
}

/** What the wasm module emits beside that; the worker passes it on. */
export type EngineEvent =
  | { readonly type: 'status'; readonly status: StatusMessage }
  | { readonly type: 'need-token'; readonly renew: boolean }
  | { readonly type: 'live'; readonly id: number; readonly buffer: Uint8Array }
  | { readonly type: 'live'; readonly id: number; readonly error: WireError }
  | { readonly type: 'streams'; readonly streams: readonly StreamMessage[] }
  | { readonly type: 'confirmed'; readonly ids: readonly string[] }
  | { readonly type: 'rejected'; readonly writes: readonly RejectedMessage[] }
  | { readonly type: 'error'; readonly error: WireError };

/** An answer to a numbered request. */
export type Response =
  | { readonly type: 'ok'; readonly id: number; readonly answer: Answers[Op] }
  | { readonly type: 'failed'; readonly id: number; readonly error: WireError };

/** Everything that comes from the worker. */
export type WorkerMessage = WorkerEvent | EngineEvent | Response;

/** From here on it is cheaper to move a buffer than to copy it. */
const MOVED_BYTES = 16_384;

/** What is moved with a message instead of being copied. */
export function buffersIn(message: WorkerMessage): readonly ArrayBufferLike[] {
  const buffer = bufferIn(message);
  return buffer && buffer.length >= MOVED_BYTES ? [buffer.buffer] : [];
}

function bufferIn(message: WorkerMessage): Uint8Array | null {
  if ('buffer' in message) return message.buffer;
  if (message.type !== 'ok' || message.answer === null) return null;
  if (message.answer instanceof Uint8Array) return message.answer;
  return 'buffer' in message.answer ? message.answer.buffer : null;
}
