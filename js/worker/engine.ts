import type { Policy } from '../generated/protocol.js';
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

/** The wasm module's database. Every failure throws `{ code, message, retryable, details }`. */
export interface Engine {
  read(call: Uint8Array): Uint8Array;
  write(request: string, call: Uint8Array, policy?: Policy): { readonly receipt: ReceiptMessage; readonly buffer: Uint8Array; readonly repeated: boolean };
  begin(): void;
  step(call: Uint8Array): Uint8Array;
  commit(request: string, policy?: Policy): ReceiptMessage;
  rollback(): void;
  acknowledge(requests: readonly string[]): undefined;
  answered_pages(): readonly string[];
  forget_pages(pages: readonly string[]): undefined;
  live_open(id: number, call: Uint8Array): Uint8Array;
  live_close(id: number): undefined;
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
  close(): void;
}

/** The wasm module's entry points. */
export interface EngineModule {
  readonly Database: {
    open(options: EngineOptions, emit: (event: EngineEvent | UnsavedEvent) => void): Promise<Engine>;
    remove(name: string): Promise<void>;
  };
}
