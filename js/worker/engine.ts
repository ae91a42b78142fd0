import type { WireError } from '../errors.js';
import type { Policy, Value } from '../generated/protocol.js';
import type {
  Decision,
  EngineEvent,
  FateMessage,
  OpenConflict,
  OpenRequest,
  PendingMessage,
  ReceiptMessage,
  RejectedMessage,
  StatusMessage,
  StreamMessage,
  UnsavedEvent,
  UserMessage,
} from '../messages.js';

/** The options of the wasm module's `Database.open`. */
export interface EngineOptions extends Pick<OpenRequest, 'name' | 'storage' | 'marked' | 'durability' | 'schema' | 'sync' | 'online'> {
  /** Whose database it is to be; without it the last user's. */
  readonly user?: UserMessage;
  /** Writes that are pending in the one that was open before. */
  readonly left_pending?: number;
}

/** What the page said, for the wasm module. */
export function engineOptions({ name, storage, durability, schema, sync }: OpenRequest, online: boolean): EngineOptions {
  return { name, storage, marked: null, durability, schema, sync, online };
}

/** The wasm module's database. Every failure throws `{ code, message, retryable, details }`. */
export interface Engine {
  read(call: Uint8Array): Uint8Array;
  write(request: string, call: Uint8Array, policy?: Policy): Written;
  /** Several writes, which share one write to the file. */
  write_group(
    writes: readonly { readonly request: string; readonly call: Uint8Array; readonly policy?: Policy }[],
  ): readonly (Written | { readonly error: WireError })[];
  begin(): void;
  step(call: Uint8Array): Uint8Array;
  commit(request: string, policy?: Policy): ReceiptMessage;
  rollback(): void;
  acknowledge(requests: readonly string[]): undefined;
  answered_pages(): readonly string[];
  forget_pages(pages: readonly string[]): undefined;
  live_open(id: number, call: Uint8Array): Uint8Array;
  live_close(id: number): undefined;
  subscribe(stream: string, params: Readonly<Record<string, Value>>): undefined;
  unsubscribe(stream: string, params: Readonly<Record<string, Value>>, keepMs: number): undefined;
  streams(): readonly StreamMessage[];
  token(token: string | null): undefined;
  no_token(): undefined;
  adopt(): undefined;
  online(wanted: boolean): undefined;
  pending(): readonly PendingMessage[];
  rejected(): readonly RejectedMessage[];
  retry(request: string, id: string, edits: readonly Decision[]): ReceiptMessage;
  conflicts(): readonly OpenConflict[];
  resolve(request: string, id: string, decisions: readonly Decision[]): ReceiptMessage;
  discard(id: string): undefined;
  fate(id: string): FateMessage;
  status(): StatusMessage;
  pending_elsewhere(): number;
  /** What an answer must wait for before anybody hears it; `undefined`: nothing. Rejects when commits could not be stored. */
  settle(): Promise<void> | undefined;
  /** Gives the size of the file that `export_read` gives in pieces. */
  export_begin(): number;
  export_read(at: number, most: number): Uint8Array;
  export_end(): void;
  was_imported(id: string): boolean;
  close(): void;
}

/** A committed write. */
export interface Written {
  readonly receipt: ReceiptMessage;
  readonly buffer: Uint8Array;
  readonly repeated: boolean;
}

/** A file that is to take a database's place. */
export interface IncomingFile {
  write(piece: Uint8Array, at: number): void;
  /** Checks it and makes it ready. */
  prepare(engine: Engine, options: EngineOptions): void;
  /** Puts it in the place of the database, which is closed, and opens it. */
  open(options: EngineOptions, emit: (event: EngineEvent | UnsavedEvent) => void): Promise<Engine>;
  discard(): Promise<void>;
  /** Lets go of it, so that another worker can take it. */
  release(): void;
}

/** The wasm module's entry points. */
export interface EngineModule {
  readonly Database: {
    open(options: EngineOptions, emit: (event: EngineEvent | UnsavedEvent) => void): Promise<Engine>;
    remove(name: string): Promise<void>;
  };
  readonly Import: {
    begin(options: EngineOptions, id: string, anew: boolean): Promise<IncomingFile>;
    /** Deletes what is left of an import. */
    tidy(name: string): Promise<void>;
  };
}
