import { encodeCall } from '../call.js';
import type { WireError } from '../errors.js';
import type { Answers, EngineEvent, Op, OpenRequest, ReceiptMessage, Request, RequestOf, WorkerMessage } from '../messages.js';
import type { Engine, EngineModule, EngineOptions } from './engine.js';
import { Failure, isTrap, messageOf, pendingWrites, toWire } from './failure.js';
import { type Release, takeOwnership } from './owner.js';
import { InteractiveTransaction, timedOut } from './transaction.js';

/** Compiles the wasm module at an URL. */
export type Load = (url: string) => Promise<EngineModule>;

/** Sends a message to the page; buffers in `transfer` are moved. */
export type Post = (message: WorkerMessage, transfer: readonly ArrayBufferLike[]) => void;

type State = 'new' | 'opening' | 'open' | 'failed' | 'closed';

/**
 * Serves one page: takes the ownership of its database, runs its requests one after another in the order of their coming,
 * and passes on what the engine emits. While an interactive transaction is open everything else waits.
 */
export class Session {
  readonly #post: Post;
  readonly #load: Load;
  readonly #queue: Exclude<Request, { op: 'open' }>[] = [];
  readonly #expired = new Map<string, Failure>();
  #state: State = 'new';
  #openFailure: WireError | null = null;
  #module: EngineModule | null = null;
  #engine: Engine | null = null;
  #release: Release | null = null;
  #options: OpenRequest | null = null;
  #transaction: InteractiveTransaction | null = null;
  #wanted = true;
  #network = true;

  constructor(post: Post, load: Load) {
    this.#post = post;
    this.#load = load;
  }

  /** Takes a request of the page. */
  receive(request: Request): void {
    if (request.op === 'open') void this.#open(request);
    else if (this.#mayRun(request)) this.#run(request);
    else this.#queue.push(request);
  }

  /** The browser says that the network came or went. */
  network(available: boolean): void {
    this.#network = available;
    if (this.#state === 'open') this.#guard(null, () => this.#engine?.online(this.#wanted && available));
  }

  /** Something was thrown outside any request: a socket's or a timer's callback. */
  thrown(error: unknown): void {
    if (isTrap(error)) this.#crash(null, error);
    else this.#post({ type: 'error', error: toWire(error) }, []);
  }

  async #open(request: RequestOf<'open'> & { readonly id: number }): Promise<void> {
    const { options } = request;
    this.#state = 'opening';
    this.#options = options;
    this.#wanted = options.online;
    try {
      const [module, release] = await Promise.all([this.#load(options.wasmUrl), this.#own(options)]);
      this.#module = module;
      this.#release = release;
      this.#engine = await this.#openEngine(module, options);
      this.#state = 'open';
      this.#answer(request.id, this.#engine.status());
    } catch (error) {
      if (isTrap(error)) return this.#crash(request.id, error);
      this.#state = 'failed';
      this.#openFailure = toWire(error);
      this.#post({ type: 'failed', id: request.id, error: this.#openFailure }, []);
    }
    this.#drain();
  }

  async #own({ name, storage }: OpenRequest): Promise<Release | null> {
    if (storage === 'memory') return null;
    const release = await takeOwnership(name, () => this.#post({ type: 'owner', owner: 'other-tab' }, []));
    this.#post({ type: 'owner', owner: 'this-tab' }, []);
    return release;
  }

  #openEngine(module: EngineModule, options: OpenRequest, next: Pick<EngineOptions, 'user' | 'left_pending'> = {}): Promise<Engine> {
    const { name, storage, durability, schema, sync } = options;
    const emit = (event: EngineEvent): void => this.#post(event, 'buffer' in event ? [event.buffer.buffer] : []);
    return module.Database.open({ name, storage, durability, schema, sync, online: this.#wanted && this.#network, ...next }, emit);
  }

  #mayRun(request: Request): boolean {
    if (this.#state === 'new' || this.#state === 'opening') return request.op === 'close';
    if (!this.#transaction) return this.#queue.length === 0 || request.op === 'close';
    switch (request.op) {
      case 'step':
      case 'commit':
      case 'rollback':
      case 'token':
      case 'no-token':
      case 'online':
      case 'close':
        return true;
      default:
        return false;
    }
  }

  #drain(): void {
    while (!this.#transaction && this.#state !== 'opening') {
      const next = this.#queue.shift();
      if (!next) return;
      this.#run(next);
    }
  }

  #run(request: Exclude<Request, { op: 'open' }>): void {
    if (request.op === 'close' || request.op === 'delete') {
      void this.#end(request);
      return;
    }
    if (request.op === 'switch') {
      void this.#switch(request);
      return;
    }
    this.#guard(request.id, () => {
      const engine = this.#engine;
      if (!engine) throw this.#openFailure ?? new Failure('Closed', 'The database was closed.');
      this.#answer(request.id, this.#execute(engine, request));
    });
    this.#drain();
  }

  #execute(engine: Engine, request: Exclude<Request, { op: 'open' | 'close' | 'delete' | 'switch' }>): Answers[Op] {
    if ('request' in request) engine.acknowledge(request.received ?? []);
    switch (request.op) {
      case 'read':
        return engine.read(request.call);
      case 'write':
        return engine.write(request.request, request.call, request.policy);
      case 'begin':
        return this.#begin(engine, request.transaction);
      case 'step':
        return this.#step(engine, request);
      case 'commit':
        return this.#commit(engine, request);
      case 'rollback':
        return this.#rollback(engine, request.transaction);
      case 'live':
        return engine.live_open(request.live, request.call);
      case 'unlive':
        return nothing(engine.live_close(request.live));
      case 'acknowledge':
        return nothing(engine.acknowledge(request.requests));
      case 'token':
        return nothing(engine.token(request.token));
      case 'no-token':
        return nothing(engine.no_token());
      case 'adopt':
        return nothing(engine.adopt());
      case 'online':
        this.#wanted = request.wanted;
        return nothing(engine.online(request.wanted && this.#network));
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
    }
  }

  #begin(engine: Engine, transaction: string): null {
    engine.begin();
    const { transactionIdleMs: idleMs, transactionTotalMs: totalMs } = this.#options as OpenRequest;
    this.#transaction = new InteractiveTransaction(transaction, { idleMs, totalMs }, (limit) => this.#expire(engine, transaction, limit));
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
    this.#transaction?.stop();
    this.#transaction = null;
    return engine.commit(request.request, request.policy);
  }

  #rollback(engine: Engine, transaction: string): null {
    this.#expired.delete(transaction);
    if (this.#transaction?.id === transaction) {
      this.#transaction.stop();
      this.#transaction = null;
      engine.rollback();
      return null;
    }
    const waiting = this.#queue.findIndex((request) => request.op === 'begin' && request.transaction === transaction);
    const [begin] = waiting < 0 ? [] : this.#queue.splice(waiting, 1);
    if (begin) this.#post({ type: 'failed', id: begin.id, error: toWire(new Failure('NotAllowed', 'The transaction was given up before it began.')) }, []);
    return null;
  }

  #current(transaction: string): void {
    const expired = this.#expired.get(transaction);
    if (expired) throw expired;
    if (this.#transaction?.id !== transaction) {
      throw new Failure('LeaderLost', 'The worker that ran this transaction went away, and nothing of it was written. Run it again.', {}, true);
    }
  }

  #expire(engine: Engine, transaction: string, limit: string): void {
    this.#expired.set(transaction, timedOut(limit, this.#queue.length > 0));
    this.#transaction?.stop();
    this.#transaction = null;
    this.#guard(null, () => engine.rollback());
    this.#drain();
  }

  /** Opens the database of another user in place of this one, whose writes stay in it. */
  async #switch({ id, user, discardPending }: RequestOf<'switch'> & { readonly id: number }): Promise<void> {
    const { name, storage } = this.#options as OpenRequest;
    try {
      const [engine, module] = [this.#engine, this.#module];
      if (!engine || !module) throw this.#openFailure ?? new Failure('Closed', 'The database was closed.');
      const status = engine.status();
      const { user: owner, pending } = status;
      const stays = owner ? owner.issuer === user.issuer && owner.subject === user.subject : pending === 0;
      if (stays) return this.#answer(id, { switched: false, status });
      // What nobody wrote has no user to wait for, and memory no place to wait in.
      const kept = owner !== null && storage === 'opfs';
      if (!kept && pending > 0 && !discardPending) throw pendingWrites(pending);
      this.#state = 'opening';
      engine.close();
      this.#engine = null;
      if (owner === null && storage === 'opfs') await module.Database.remove(name);
      this.#engine = await this.#openEngine(module, this.#options as OpenRequest, { user, left_pending: kept ? pending : 0 });
      this.#state = 'open';
      this.#answer(id, { switched: true, status: this.#engine.status() });
    } catch (error) {
      if (isTrap(error)) return this.#crash(id, error);
      const wire = toWire(error);
      if (this.#state === 'opening') [this.#state, this.#openFailure] = ['failed', wire];
      this.#post({ type: 'failed', id, error: wire }, []);
    }
    this.#drain();
  }

  async #end(request: Request & { readonly op: 'close' | 'delete' }): Promise<void> {
    const name = this.#options?.name;
    if (request.op === 'delete' && !request.discardPending) {
      const failure = this.#undeletable();
      if (failure) {
        this.#post({ type: 'failed', id: request.id, error: failure }, []);
        return;
      }
    }
    this.#transaction?.stop();
    this.#transaction = null;
    this.#state = 'closed';
    try {
      this.#engine?.close();
      this.#engine = null;
      if (request.op === 'delete' && name !== undefined) await this.#module?.Database.remove(name);
      this.#release?.();
      this.#answer(request.id, null);
    } catch (error) {
      this.#post({ type: 'failed', id: request.id, error: toWire(error) }, []);
    }
    this.#drain();
  }

  /** Why nothing may be deleted without a word about what is pending. */
  #undeletable(): WireError | null {
    if (!this.#engine) return toWire(new Failure('PendingWrites', 'What is pending here cannot be read. Delete the database with { discardPending: true }.'));
    const { pending: here, user } = this.#engine.status();
    const pending = here + this.#engine.pending_elsewhere();
    // Without a server and a user nothing waits for either.
    const waits = pending > 0 && (this.#options?.sync || user);
    return waits ? toWire(pendingWrites(pending)) : null;
  }

  /** Runs something of the engine: a failure answers the request, a trap ends this worker. */
  #guard(id: number | null, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (isTrap(error)) this.#crash(id, error);
      else if (id === null) this.#post({ type: 'error', error: toWire(error) }, []);
      else this.#post({ type: 'failed', id, error: toWire(error) }, []);
    }
  }

  #crash(id: number | null, error: unknown): void {
    this.#state = 'closed';
    this.#queue.length = 0;
    this.#engine = null;
    this.#post({ type: 'crashed', id, message: messageOf(error) }, []);
  }

  #answer(id: number, answer: Answers[Op]): void {
    this.#post({ type: 'ok', id, answer }, buffersOf(answer));
  }
}

/** The engine's answer to a request that has none. */
function nothing(_done: undefined): null {
  return null;
}

/** What is moved to the page instead of being copied. */
function buffersOf(answer: Answers[Op]): readonly ArrayBufferLike[] {
  if (answer instanceof Uint8Array) return [answer.buffer];
  return answer !== null && 'buffer' in answer ? [answer.buffer.buffer] : [];
}
