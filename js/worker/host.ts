import type { WireError } from '../errors.js';
import type { Answers, EngineEvent, Op, OpenRequest, Request, RequestOf, WorkerMessage } from '../messages.js';
import type { SchemaDefinition } from '../schema.js';
import { Calls } from './calls.js';
import type { Engine, EngineModule, EngineOptions } from './engine.js';
import { Failure, isTrap, messageOf, pendingWrites, toWire } from './failure.js';
import { compareSchemas, outdatedSchema } from './release.js';

/** A page that is served, over this worker or over a link. */
export interface Client {
  /** Names its worker. */
  readonly id: string;
  /** Whether a person can see it. */
  visible: boolean;
  /** Sends a message to the page. */
  send(message: WorkerMessage): void;
}

/** What a host says to the worker that it runs in. */
export interface HostListener {
  /** The wasm instance is dead. `client` asked for what it ran. */
  crashed(message: string, client: Client | null, request: number | null): void;
  /** The database was deleted: `answer` tells `client`, who asked for it, and everyone else is to end. */
  deleted(client: Client, answer: () => void): Promise<void>;
  /** The database is closed here and wants another owner. */
  yielded(): void;
}

type State = 'open' | 'switching' | 'closed' | 'failed';

/** Which requests need no turn while an interactive transaction is open. */
const IN_TRANSACTION: ReadonlySet<Op> = new Set(['step', 'commit', 'rollback', 'token', 'no-token', 'online']);
/** How long the page that is asked for a token may take until all are asked. */
const TOKEN_MS = 5000;

/**
 * Owns the engine of a database and serves the pages of all tabs: runs their requests one after another in the order of their
 * coming, and passes on what the engine emits. While an interactive transaction is open everything else waits.
 */
export class Host {
  readonly #module: EngineModule;
  readonly #listener: HostListener;
  readonly #options: OpenRequest;
  readonly #clients = new Map<string, Client>();
  readonly #calls: Calls;
  readonly #queue: { readonly client: Client; readonly request: Exclude<Request, { op: 'open' }> }[] = [];
  /** Pages that come while the user is switched. */
  readonly #arriving: { readonly client: Client; readonly request: RequestOf<'open'> & { readonly id: number } }[] = [];
  /** What the engine said before there was a page to hear it. */
  readonly #unheard: EngineEvent[] = [];
  #state: State = 'open';
  #engine: Engine | null = null;
  #failure: WireError | null = null;
  #wanted: boolean;
  #network: boolean;
  #yielding = false;
  #token: ReturnType<typeof setTimeout> | undefined;

  private constructor(module: EngineModule, options: OpenRequest, network: boolean, listener: HostListener) {
    this.#module = module;
    this.#options = options;
    this.#network = network;
    this.#wanted = options.online;
    this.#listener = listener;
    const limits = { idleMs: options.transactionIdleMs, totalMs: options.transactionTotalMs };
    this.#calls = new Calls(limits, {
      timedOut: (work) => {
        this.#guard(null, null, work);
        this.#drain();
      },
      isWaiting: (id) => this.#queue.some(({ client }) => client.id === id),
    });
  }

  /** Opens the database. The caller holds its lock. */
  static async open(module: EngineModule, options: OpenRequest, network: boolean, listener: HostListener): Promise<Host> {
    const host = new Host(module, options, network, listener);
    host.#engine = await host.#openEngine();
    return host;
  }

  /** Takes a request of a page that was opened. One that was not is of no meaning any more: its page asks again. */
  receive(client: Client, request: Request): void {
    if (request.op === 'open') this.#admit(client, request);
    else if (this.#clients.get(client.id) !== client) return;
    else if (this.#mayRun(request)) this.#run(client, request);
    else this.#queue.push({ client, request });
  }

  /** A page is gone: its open transaction is rolled back, its live queries end. */
  detach(client: Client): void {
    if (this.#clients.get(client.id) !== client) return;
    this.#clients.delete(client.id);
    this.#forget(client);
    this.#drain();
  }

  /** The browser says that the network came or went. */
  network(available: boolean): void {
    this.#network = available;
    if (this.#state === 'open') this.#guard(null, null, () => this.#engine?.online(this.#wanted && available));
  }

  /** Something was thrown outside any request: a socket's or a timer's callback. */
  thrown(error: unknown): void {
    if (isTrap(error)) this.#crash(null, null, error);
    else this.#broadcast({ type: 'error', error: toWire(error) });
  }

  /** Drops what is kept for pages that are gone. */
  sweep(alive: readonly string[]): void {
    if (this.#state === 'open' && !this.#calls.isBusy) this.#guard(null, null, () => this.#engine?.keep_pages(alive));
  }

  /** Closes the database, when what runs is finished, for another worker to own. */
  yield(): void {
    if (this.#yielding || this.#state === 'closed') return;
    this.#yielding = true;
    this.#drain();
  }

  /** Closes the database at once. */
  close(): void {
    clearTimeout(this.#token);
    this.#calls.stop();
    this.#state = 'closed';
    const engine = this.#engine;
    this.#engine = null;
    engine?.close();
  }

  #openEngine(next: Pick<EngineOptions, 'user' | 'left_pending'> = {}): Promise<Engine> {
    const { name, storage, durability, schema, sync } = this.#options;
    const emit = (event: EngineEvent): void => this.#emitted(event);
    return this.#module.Database.open({ name, storage, durability, schema, sync, online: this.#wanted && this.#network, ...next }, emit);
  }

  #admit(client: Client, request: RequestOf<'open'> & { readonly id: number }): void {
    const { id, options } = request;
    const former = this.#clients.get(client.id);
    if (former) this.#forget(former);
    this.#clients.delete(client.id);
    const standing = compareSchemas(options.schema as SchemaDefinition, this.#options.schema as SchemaDefinition);
    // Who asks for more than this worker can give shall own the database; its request is answered by the next owner.
    if (standing === 'newer' || (options.sync && !this.#options.sync)) {
      this.yield();
      return;
    }
    if (standing === 'older') {
      client.send({ type: 'failed', id, error: toWire(outdatedSchema()) });
      return;
    }
    if (this.#yielding) return;
    if (this.#state === 'switching') return void this.#arriving.push({ client, request });
    const engine = this.#engine;
    if (!engine) {
      client.send({ type: 'failed', id, error: toWire(this.#failure ?? closed()) });
      return;
    }
    this.#clients.set(client.id, client);
    this.#guard(client, id, () => this.#answer(client, id, engine.status()));
    client.send({ type: 'wanted', online: this.#wanted });
    for (const event of this.#unheard.splice(0)) this.#emitted(event);
  }

  #mayRun(request: Request): boolean {
    if (this.#state === 'switching') return false;
    if (this.#calls.isBusy) return IN_TRANSACTION.has(request.op);
    return this.#queue.length === 0 && !this.#yielding;
  }

  #drain(): void {
    while (!this.#calls.isBusy && this.#state !== 'switching') {
      if (this.#yielding) {
        this.#hand();
        return;
      }
      const next = this.#queue.shift();
      if (!next) return;
      this.#run(next.client, next.request);
    }
  }

  /** What still waits is asked again by its pages. */
  #hand(): void {
    if (this.#state === 'closed') return;
    this.#queue.length = 0;
    this.#guard(null, null, () => this.close());
    this.#listener.yielded();
  }

  #run(client: Client, request: Exclude<Request, { op: 'open' }>): void {
    switch (request.op) {
      case 'close':
        return;
      case 'delete':
        void this.#delete(client, request);
        return;
      case 'switch':
        void this.#switch(client, request);
        return;
      default:
        this.#guard(client, request.id, () => {
          const engine = this.#engine;
          if (!engine) throw this.#failure ?? closed();
          if (request.op === 'rollback') this.#giveUp(client, request.transaction);
          if (request.op === 'token' || request.op === 'no-token') clearTimeout(this.#token);
          this.#answer(client, request.id, this.#calls.run(engine, client.id, request.op === 'online' ? this.#wish(request) : request));
        });
        this.#drain();
    }
  }

  /** What one page wants of the connection holds for all, and for the next owner. */
  #wish(request: RequestOf<'online'> & { readonly id: number }): RequestOf<'online'> & { readonly id: number } {
    this.#wanted = request.wanted;
    this.#broadcast({ type: 'wanted', online: request.wanted });
    return { ...request, wanted: request.wanted && this.#network };
  }

  /** A transaction that has not begun never will. */
  #giveUp(client: Client, transaction: string): void {
    const waiting = this.#queue.findIndex(({ request }) => request.op === 'begin' && request.transaction === transaction);
    const [begin] = waiting < 0 ? [] : this.#queue.splice(waiting, 1);
    const failure = new Failure('NotAllowed', 'The transaction was given up before it began.');
    if (begin) client.send({ type: 'failed', id: begin.request.id, error: toWire(failure) });
  }

  #forget(client: Client): void {
    for (let at = this.#queue.length - 1; at >= 0; at--) if (this.#queue[at]?.client === client) this.#queue.splice(at, 1);
    const engine = this.#engine;
    if (engine) this.#guard(null, null, () => this.#calls.forget(engine, client.id));
  }

  /** Opens the database of another user in place of this one, whose writes stay in it. */
  async #switch(client: Client, { id, user, discardPending }: RequestOf<'switch'> & { readonly id: number }): Promise<void> {
    const { name, storage } = this.#options;
    try {
      const engine = this.#engine;
      if (!engine) throw this.#failure ?? closed();
      const status = engine.status();
      const { user: owner, pending } = status;
      const stays = owner ? owner.issuer === user.issuer && owner.subject === user.subject : pending === 0;
      if (stays) return this.#answer(client, id, { switched: false, status });
      // What nobody wrote has no user to wait for, and memory no place to wait in.
      const kept = owner !== null && storage !== 'memory';
      if (!kept && pending > 0 && !discardPending) throw pendingWrites(pending);
      this.#state = 'switching';
      this.#leave(client);
      engine.close();
      this.#engine = null;
      if (owner === null && storage !== 'memory') await this.#module.Database.remove(name);
      this.#engine = await this.#openEngine({ user, left_pending: kept ? pending : 0 });
      this.#state = 'open';
      this.#answer(client, id, { switched: true, status: this.#engine.status() });
    } catch (error) {
      if (isTrap(error)) return this.#crash(client, id, error);
      const failure = toWire(error);
      if (this.#state === 'switching') {
        this.#state = 'failed';
        this.#failure = failure;
      }
      client.send({ type: 'failed', id, error: failure });
    }
    for (const { client: other, request } of this.#arriving.splice(0)) this.#admit(other, request);
    this.#drain();
  }

  /** What other pages asked for, or are asking for now, was meant for the former user: they open anew. */
  #leave(client: Client): void {
    for (const other of [...this.#clients.values()]) {
      this.#forget(other);
      if (other === client) continue;
      this.#clients.delete(other.id);
      other.send({ type: 'moved' });
    }
  }

  async #delete(client: Client, request: RequestOf<'delete'> & { readonly id: number }): Promise<void> {
    const failure = request.discardPending ? null : this.#undeletable();
    if (failure) return client.send({ type: 'failed', id: request.id, error: toWire(failure) });
    try {
      this.close();
      await this.#module.Database.remove(this.#options.name);
      await this.#listener.deleted(client, () => this.#answer(client, request.id, null));
    } catch (error) {
      client.send({ type: 'failed', id: request.id, error: toWire(error) });
    }
  }

  /** Why nothing may be deleted without a word about what is pending. */
  #undeletable(): Failure | null {
    if (!this.#engine) return unreadable();
    const { pending: here, user } = this.#engine.status();
    const pending = here + this.#engine.pending_elsewhere();
    // Without a server and a user nothing waits for either.
    const waits = pending > 0 && (this.#options.sync || user);
    return waits ? pendingWrites(pending) : null;
  }

  #emitted(event: EngineEvent): void {
    if (event.type === 'need-token') {
      this.#demandToken(event);
      return;
    }
    if (event.type !== 'live') {
      if (this.#clients.size > 0) this.#broadcast(event);
      else if (event.type !== 'status') this.#unheard.push(event);
      return;
    }
    const watch = this.#calls.watchOf(event.id);
    const client = watch && this.#clients.get(watch.client);
    if (client) client.send({ ...event, id: watch.live });
  }

  /** One page is asked, and all when it does not answer: it may be frozen. */
  #demandToken(event: EngineEvent & { readonly type: 'need-token' }): void {
    clearTimeout(this.#token);
    const clients = [...this.#clients.values()];
    const asked = clients.find(({ visible }) => visible) ?? clients[0];
    if (!asked) return void this.#unheard.push(event);
    asked.send(event);
    this.#token = setTimeout(() => this.#broadcast(event), TOKEN_MS);
  }

  #broadcast(message: WorkerMessage): void {
    for (const client of [...this.#clients.values()]) client.send(message);
  }

  /** Runs something of the engine: a failure answers the request, a trap ends this worker. */
  #guard(client: Client | null, id: number | null, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (isTrap(error)) this.#crash(client, id, error);
      else if (client === null || id === null) this.#broadcast({ type: 'error', error: toWire(error) });
      else client.send({ type: 'failed', id, error: toWire(error) });
    }
  }

  #crash(client: Client | null, id: number | null, error: unknown): void {
    this.#state = 'closed';
    this.#queue.length = 0;
    this.#engine = null;
    this.#listener.crashed(messageOf(error), client, id);
  }

  #answer(client: Client, id: number, answer: Answers[Op]): void {
    client.send({ type: 'ok', id, answer });
  }
}

function closed(): Failure {
  return new Failure('Closed', 'The database was closed.');
}

/** Nobody can tell what would be lost. */
export function unreadable(): Failure {
  return new Failure('PendingWrites', 'What is pending here cannot be read. Delete the database with { discardPending: true }.');
}
