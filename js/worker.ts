/**
 * The worker that owns the database. It is thin: `worker/session.ts` serves the page, the wasm module does the work.
 * @module
 */

import type { Request, WorkerMessage } from './messages.js';
import { loadEngine } from './worker/load.js';
import { Session } from './worker/session.js';

/** What this file uses of a dedicated worker's global scope, which the DOM's types do not have. */
interface WorkerScope {
  postMessage(message: WorkerMessage, transfer: readonly ArrayBufferLike[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<Request>) => void): void;
  addEventListener(type: 'online' | 'offline', listener: () => void): void;
  addEventListener(type: 'error', listener: (event: ErrorEvent) => void): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const session = new Session((message, transfer) => scope.postMessage(message, transfer), loadEngine);

scope.addEventListener('message', (event) => session.receive(event.data));
scope.addEventListener('online', () => session.network(true));
scope.addEventListener('offline', () => session.network(false));
scope.addEventListener('error', (event) => {
  event.preventDefault();
  session.thrown(event.error ?? event.message);
});
scope.addEventListener('unhandledrejection', (event) => {
  event.preventDefault();
  session.thrown(event.reason);
});
scope.postMessage({ type: 'hello' }, []);
