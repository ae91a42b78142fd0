import type { WireError } from '../errors.js';

/** A failure that this worker itself finds. */
export class Failure extends Error implements WireError {
  readonly code: string;
  readonly retryable: boolean;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, details: Readonly<Record<string, unknown>> = {}, retryable = false) {
    super(message);
    this.code = code;
    this.details = details;
    this.retryable = retryable;
  }
}

/** Writes would be lost that no server has. */
export function pendingWrites(pending: number): Failure {
  const what = pending === 1 ? 'One write is' : `${pending} writes are`;
  return new Failure('PendingWrites', `${what} not sent yet and would be lost. Wait until status.pending is 0, or say { discardPending: true }.`, { pending });
}

/** There is no database any more. */
export function closed(): Failure {
  return new Failure('Closed', 'The database was closed.');
}

/** Whether the wasm instance died: whatever it is asked next would be undefined behaviour. */
export function isTrap(thrown: unknown): boolean {
  return thrown instanceof WebAssembly.RuntimeError;
}

/** Makes a failure of the wasm module, or of this worker, fit to cross to the page. */
export function toWire(thrown: unknown): WireError {
  if (isWire(thrown)) return { code: thrown.code, message: thrown.message, retryable: thrown.retryable ?? false, details: thrown.details };
  return { code: 'Internal', message: messageOf(thrown), retryable: false };
}

/** The words of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? `${thrown.name}: ${thrown.message}` : String(thrown);
}

function isWire(thrown: unknown): thrown is WireError {
  return typeof thrown === 'object' && thrown !== null && 'code' in thrown && typeof thrown.code === 'string' && 'message' in thrown;
}
