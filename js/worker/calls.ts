import { encodeCall } from '../call.js';
import type { Answers, Op, ReceiptMessage, Request, RequestOf } from '../messages.js';
import type { Engine } from './engine.js';
import { Export } from './export.js';
import { Failure } from './failure.js';
import { Subscriptions } from './subscriptions.js';
import { InteractiveTransaction, type Limits, timedOut } from './transaction.js';

/** A request that the engine itself answers. */
export type Call = Exclude<Request, { readonly op: 'open' | 'close' | 'delete' | 'switch' | 'import-write' | 'import-end' | 'import-drop' }>;

/** A live query: the client that watches it, and what it calls it. */
export interface Watch {
  readonly client: string;
  readonly live: number;
}

/** What the calls need of the host. */
export interface CallsListener {
  /** The open transaction took too long. `work` ends it. */
  timedOut(work: () => void): void;
  /** Whether other calls of that client wait. */
  isWaiting(client: string): boolean;
}

/** Asks the engine what clients ask for. Knows whose the open transaction is, and whose each live query. */
export class Calls {
  readonly #limits: Limits;
  readonly #listener: CallsListener;
  readonly #expired = new Map<string, Failure>();
  readonly #watches = new Map<number, Watch>();
  readonly #export = new Export();
  readonly #subscriptions = new Subscriptions();
  #nextWatch = 1;
  #transaction: InteractiveTransaction | null = null;

  constructor(limits: Limits, listener: CallsListener) {
    this.#limits = limits;
    this.#listener = listener;
  }

  /** Whether an interactive transaction is open. */
  get isBusy(): boolean {
    return this.#transaction !== null;
  }

  /** Whose live query the engine knows by this number. */
  watchOf(id: number): Watch | undefined {
    return this.#watches.get(id);
  }

  /** Runs a call and gives its answer. */
  run(engine: Engine, client: string, request: Call): Answers[Op] {
    if ('request' in request) engine.acknowledge(request.received ?? []);
    if (!this.isBusy) this.#subscriptions.settle(engine);
    switch (request.op) {
      case 'read':
        return engine.read(request.call);
      case 'write':
        return engine.write(request.request, request.call, request.policy);
      case 'begin':
        return this.#begin(engine, client, request.transaction);
      case 'step':
        return this.#step(engine, request);
      case 'commit':
        return this.#commit(engine, request);
      case 'rollback':
        return this.#rollback(engine, request.transaction);
      case 'live':
        return this.#watch(engine, client, request);
      case 'unlive':
        return this.#unwatch(engine, client, request.live);
      case 'stream':
        return this.#subscriptions.add(engine, client, request);
      case 'unstream':
        return this.#subscriptions.remove(engine, client, request);
      case 'acknowledge':
        return nothing(engine.acknowledge(request.requests));
      case 'token':
        return nothing(engine.token(request.token));
      case 'no-token':
        return nothing(engine.no_token());
      case 'adopt':
        return nothing(engine.adopt());
      case 'online':
        return nothing(engine.online(request.wanted));
      case 'pending':
        return engine.pending();
      case 'rejected':
        return engine.rejected();
      case 'retry':
        return engine.retry(request.request, request.write, request.edits);
      case 'conflicts':
        return engine.conflicts();
      case 'resolve':
        return engine.resolve(request.request, request.write, request.decisions);
      case 'discard':
        return nothing(engine.discard(request.write));
      case 'fate':
        return engine.fate(request.write);
      case 'export':
        return this.#export.begin(engine, client, request.export);
      case 'export-read':
        return this.#export.read(engine, request.export, request.at);
      case 'export-end':
        return this.#export.end(engine, request.export);
    }
  }

  /** A client is gone, or begins anew: rolls its transaction back and ends its live queries. */
  forget(engine: Engine, client: string): void {
    if (this.#transaction?.client === client) {
      this.stop();
      engine.rollback();
    }
    for (const [id, watch] of this.#watches) if (watch.client === client) this.#end(engine, id);
    this.#export.leave(engine, client);
    this.#subscriptions.leave(client);
    if (!this.isBusy) this.#subscriptions.settle(engine);
  }

  /** The engine is closed: the open transaction and the export are gone with it. */
  close(): void {
    this.stop();
    this.#subscriptions.close();
    this.#export.forget();
  }

  /** The open transaction is at its end. */
  stop(): void {
    this.#transaction?.stop();
    this.#transaction = null;
  }

  #begin(engine: Engine, client: string, transaction: string): null {
    engine.begin();
    this.#transaction = new InteractiveTransaction(transaction, client, this.#limits, (limit) => {
      this.#expired.set(transaction, timedOut(limit, this.#listener.isWaiting(client)));
      this.#listener.timedOut(() => {
        this.stop();
        engine.rollback();
      });
    });
    return null;
  }

  #step(engine: Engine, request: RequestOf<'step'>): Uint8Array {
    this.#current(request.transaction);
    const buffer = engine.step(request.call);
    this.#transaction?.touch();
    return buffer;
  }

  #commit(engine: Engine, request: RequestOf<'commit'>): ReceiptMessage {
    if (this.#transaction?.id !== request.transaction && !this.#expired.has(request.transaction)) {
      // Its worker died: it was committed, and the answer is kept under its request id, or it is gone.
      const kept = engine.write(request.request, encodeCall([]));
      if (kept.repeated) return kept.receipt;
    }
    this.#current(request.transaction);
    this.stop();
    return engine.commit(request.request, request.policy);
  }

  #rollback(engine: Engine, transaction: string): null {
    this.#expired.delete(transaction);
    if (this.#transaction?.id === transaction) {
      this.stop();
      engine.rollback();
    }
    return null;
  }

  #current(transaction: string): void {
    const expired = this.#expired.get(transaction);
    if (expired) throw expired;
    if (this.#transaction?.id !== transaction) {
      throw new Failure('LeaderLost', 'The worker that ran this transaction went away, and nothing of it was written. Run it again.', {}, true);
    }
  }

  #watch(engine: Engine, client: string, { live, call }: RequestOf<'live'>): Uint8Array {
    const id = this.#nextWatch++;
    const first = engine.live_open(id, call);
    this.#watches.set(id, { client, live });
    return first;
  }

  #unwatch(engine: Engine, client: string, live: number): null {
    for (const [id, watch] of this.#watches) if (watch.client === client && watch.live === live) this.#end(engine, id);
    return null;
  }

  #end(engine: Engine, id: number): void {
    this.#watches.delete(id);
    engine.live_close(id);
  }
}

/** The engine's answer to a request that has none. */
function nothing(_done: undefined): null {
  return null;
}
