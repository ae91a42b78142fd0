import type { Request } from '../messages.js';
import type { Client } from './client.js';
import { Failure, toWire } from './failure.js';

/** A request of a page that has the database open. */
export type Asked = Exclude<Request, { readonly op: 'open' }>;

/** Requests that wait for their turn, in the order of their coming. */
export class RequestQueue {
  #waiting: { readonly client: Client; readonly request: Asked }[] = [];

  get isEmpty(): boolean {
    return this.#waiting.length === 0;
  }

  push(client: Client, request: Asked): void {
    this.#waiting.push({ client, request });
  }

  shift(): { readonly client: Client; readonly request: Asked } | undefined {
    return this.#waiting.shift();
  }

  /** Whether calls of that client wait. */
  isWaiting(id: string): boolean {
    return this.#waiting.some(({ client }) => client.id === id);
  }

  /** A transaction that has not begun never will. */
  giveUp(transaction: string): void {
    const at = this.#waiting.findIndex(({ request }) => request.op === 'begin' && request.transaction === transaction);
    const [begin] = at < 0 ? [] : this.#waiting.splice(at, 1);
    const failure = new Failure('NotAllowed', 'The transaction was given up before it began.');
    if (begin) begin.client.send({ type: 'failed', id: begin.request.id, error: toWire(failure) });
  }

  /** Forgets what one page asked for, or all. */
  drop(client?: Client): void {
    this.#waiting = client ? this.#waiting.filter((waiting) => waiting.client !== client) : [];
  }
}
