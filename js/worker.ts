/**
 * The worker of a page, and, as a SharedWorker, the broker that brings the workers of several tabs together. It is thin:
 * `worker/session.ts` serves the page, the wasm module does the work.
 * @module
 */

import { buffersIn, type ModuleMessage, type PageMessage, type WorkerMessage } from './messages.js';
import { Broker } from './worker/broker.js';
import { giveModule, loadEngine } from './worker/load.js';
import { Session } from './worker/session.js';

/** What this file uses of a worker's global scope, which the DOM's types do not have. */
interface WorkerScope {
  postMessage(message: WorkerMessage, transfer: readonly ArrayBufferLike[]): void;
  addEventListener(type: 'message', listener: (event: MessageEvent<PageMessage | ModuleMessage>) => void): void;
  addEventListener(type: 'connect', listener: (event: MessageEvent) => void): void;
  addEventListener(type: 'online' | 'offline', listener: () => void): void;
  addEventListener(type: 'error', listener: (event: ErrorEvent) => void): void;
  addEventListener(type: 'unhandledrejection', listener: (event: PromiseRejectionEvent) => void): void;
}

const scope = globalThis as unknown as WorkerScope;

if ('onconnect' in globalThis) beBroker();
else bePagesWorker();

function beBroker(): void {
  const broker = new Broker();
  scope.addEventListener('connect', ({ ports }) => {
    for (const port of ports) broker.accept(port);
  });
}

function bePagesWorker(): void {
  const session = new Session((message) => scope.postMessage(message, buffersIn(message)), loadEngine, navigator.locks);
  scope.addEventListener('message', ({ data }) => {
    if (data.op === 'module') giveModule(data.module);
    else session.receive(data);
  });
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
}
