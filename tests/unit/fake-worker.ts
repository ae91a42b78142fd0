// The other end of a connection, played by a test.

import type { WorkerPort } from '../../js/connection.js';
import type { Answers, ModuleMessage, Notice, Op, PageMessage, Request, RequestOf, WorkerMessage } from '../../js/messages.js';

export const STATUS: Answers['open'] = {
  connection: 'offline',
  over_fetch: false,
  pending: 0,
  blocked: 0,
  rejected: 0,
  last_synced_at_ms: null,
  user: null,
  error: null,
  storage: 'opfs',
  storage_lost: false,
};

export class FakeWorker implements WorkerPort {
  readonly requests: Request[] = [];
  readonly notices: Notice[] = [];
  terminated = false;
  readonly #target = new EventTarget();
  readonly addEventListener = this.#target.addEventListener.bind(this.#target) as WorkerPort['addEventListener'];

  readonly postMessage = (message: unknown): void => {
    const copy = structuredClone(message) as PageMessage | ModuleMessage;
    if (copy.op === 'module') return;
    if ('id' in copy) this.requests.push(copy);
    else this.notices.push(copy);
  };

  terminate(): void {
    this.terminated = true;
  }

  say(data: WorkerMessage): void {
    this.#target.dispatchEvent(Object.assign(new Event('message'), { data }));
  }

  fail(message = ''): void {
    this.#target.dispatchEvent(Object.assign(new Event('error'), { message }));
  }

  ops(): Op[] {
    return this.requests.map(({ op }) => op);
  }

  /** The last request of a kind. */
  last<O extends Op>(op: O): RequestOf<O> & { readonly id: number } {
    const found = this.requests.findLast((request) => request.op === op);
    if (!found) throw new Error(`no ${op} among ${this.ops().join(', ')}`);
    return found as unknown as RequestOf<O> & { readonly id: number };
  }

  /** Answers the last request of a kind. */
  answer<O extends Op>(op: O, answer: Answers[O]): void {
    this.say({ type: 'ok', id: this.last(op).id, answer });
  }

  refuse(op: Op, code: string, message = code): void {
    this.say({ type: 'failed', id: this.last(op).id, error: { code, message } });
  }

  /** Comes up as a worker does. */
  open(): void {
    this.say({ type: 'hello' });
    this.say({ type: 'owner', owner: 'this-tab' });
    this.answer('open', STATUS);
  }
}

/** Lets promises settle. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
