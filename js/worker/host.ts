import type { WireError } from '../errors.js';
import type { Answers, EngineEvent, Op, OpenRequest, Request, RequestOf, UnsavedEvent, WorkerMessage } from '../messages.js';
import type { SchemaDefinition } from '../schema.js';
import { Calls } from './calls.js';
import type { Client } from './client.js';
import type { Engine, EngineModule, EngineOptions } from './engine.js';
import { Failure, isTrap, messageOf, pendingWrites, toWire } from './failure.js';
import { HeldAnswers } from './held-answers.js';
import { NetworkPause } from './network-pause.js';
import { undeletable } from './pending.js';
import { compareSchemas, outdatedSchema } from './release.js';
import { TokenDemand } from './token-demand.js';

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
  /** Pages that come while another database is opened. */
  readonly #arriving: { readonly client: Client; readonly request: RequestOf<'open'> & { readonly id: number } }[] = [];
  /** What the engine said before there was a page to hear it. */
  readonly #unheard: EngineEvent[] = [];
  readonly #held = new HeldAnswers();
  #state: State = 'open';
  #engine: Engine | null = null;
  #failure: WireError | null = null;
  #wanted: boolean;
  #network: boolean;
  #yielding = false;
  readonly #token = new TokenDemand();
  readonly #pause = new NetworkPause();

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
    host.#engine = await host.#openEngine({ marked: options.marked });
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

  /** Drops the answers that are kept for pages that are gone, which `areGone` finds out. */
  async sweep(areGone: (pages: readonly string[]) => Promise<readonly string[]>): Promise<void> {
    const engine = this.#idle();
    const pages = engine?.answered_pages() ?? [];
    const gone = pages.length > 0 ? await areGone(pages) : [];
    if (gone.length > 0 && this.#idle() === engine) engine?.forget_pages(gone);
  }

  /** The engine, while nothing is open that a look at it would get into. */
  #idle(): Engine | null {
    return this.#state === 'open' && !this.#calls.isBusy ? this.#engine : null;
  }

  /** Closes the database, when what runs is finished, for another worker to own. */
  yield(): void {
    if (this.#yielding || this.#state === 'closed') return;
    this.#yielding = true;
    this.#drain();
  }

  /** Resolves when everything that was committed is stored, or failed to be. */
  async stored(): Promise<void> {
    await this.#held.given();
    await this.#engine?.settle()?.catch(() => {});
  }

  /** Closes the database at once. */
  close(): void {
    this.#token.answered();
    this.#pause.stop();
    this.#calls.stop();
    this.#state = 'closed';
    const engine = this.#engine;
    this.#engine = null;
    engine?.close();
  }

  #openEngine(found: Partial<EngineOptions>): Promise<Engine> {
    const { name, storage, durability, schema, sync } = this.#options;
    const emit = (event: EngineEvent | UnsavedEvent): void => {
      if (event.type !== 'unsaved') this.#emitted(event);
      else if (this.#state === 'open') void this.#reopen(event.error);
    };
    return this.#module.Database.open({ name, storage, marked: null, durability, schema, sync, online: this.#wanted && this.#network, ...found }, emit);
  }

  /** Commits could not be stored: who made them hears so, and the database is opened again without them. */
  async #reopen(cause: WireError): Promise<void> {
    this.#state = 'switching';
    this.#broadcast({ type: 'error', error: cause });
    try {
      await this.#held.given();
      const engine = this.#engine;
      if (!engine) return;
      const { storage: marked } = engine.status();
      this.#leave(null);
      engine.close();
      this.#engine = null;
      this.#engine = await this.#openEngine({ marked, online: false });
      this.#state = 'open';
      this.#pause.begin(() => this.network(this.#network));
    } catch (error) {
      if (isTrap(error)) return this.#crash(null, null, error);
      this.#state = 'failed';
      this.#failure = toWire(error);
    }
    this.#welcome();
  }

  /** The pages that came meanwhile are served. */
  #welcome(): void {
    for (const { client, request } of this.#arriving.splice(0)) this.#admit(client, request);
    this.#drain();
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
    const given = this.#held.given();
    const hand = (): void => {
      this.#guard(null, null, () => this.close());
      this.#listener.yielded();
    };
    if (given) {
      this.#state = 'switching';
      void given.then(hand);
    } else hand();
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
          if (request.op === 'token' || request.op === 'no-token') this.#token.answered();
          this.#answerStored(client, request.id, engine, this.#calls.run(engine, client.id, request.op === 'online' ? this.#wish(request) : request));
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
    try {
      const engine = this.#engine;
      if (!engine) throw this.#failure ?? closed();
      const status = engine.status();
      const { user: owner, pending } = status;
      const stays = owner ? owner.issuer === user.issuer && owner.subject === user.subject : pending === 0;
      if (stays) return this.#answer(client, id, { switched: false, status });
      // What nobody wrote has no user to wait for, and memory no place to wait in.
      const isStored = status.storage !== 'memory';
      const kept = owner !== null && isStored;
      if (!kept && pending > 0 && !discardPending) throw pendingWrites(pending);
      this.#state = 'switching';
      const stored = engine.settle();
      if (stored) await this.#held.given();
      if (stored) await stored;
      this.#leave(client);
      engine.close();
      this.#engine = null;
      const isEmptied = owner === null && isStored;
      if (isEmptied) await this.#module.Database.remove(this.#options.name);
      this.#engine = await this.#openEngine({ user, left_pending: kept ? pending : 0, marked: isEmptied ? null : status.storage });
      this.#state = 'open';
      this.#answer(client, id, { switched: true, status: this.#engine.status() });
    } catch (error) {
      if (isTrap(error)) return this.#crash(client, id, error);
      const failure = toWire(error);
      client.send({ type: 'failed', id, error: failure });
      // What was committed could not be stored: this user stays.
      if (this.#state === 'switching' && this.#engine) return this.#reopen(failure);
      if (this.#state === 'switching') {
        this.#state = 'failed';
        this.#failure = failure;
      }
    }
    this.#welcome();
  }

  /** What other pages asked for, or are asking for now, was meant for the former database: they open anew. */
  #leave(client: Client | null): void {
    for (const other of [...this.#clients.values()]) {
      this.#forget(other);
      if (other === client) continue;
      this.#clients.delete(other.id);
      other.send({ type: 'moved' });
    }
  }

  async #delete(client: Client, request: RequestOf<'delete'> & { readonly id: number }): Promise<void> {
    const failure = request.discardPending ? null : undeletable(this.#engine, this.#options);
    if (failure) return client.send({ type: 'failed', id: request.id, error: toWire(failure) });
    try {
      await this.stored();
      this.close();
      await this.#module.Database.remove(this.#options.name);
      await this.#listener.deleted(client, () => this.#answer(client, request.id, null));
    } catch (error) {
      client.send({ type: 'failed', id: request.id, error: toWire(error) });
    }
  }

  #emitted(event: EngineEvent): void {
    if (event.type === 'need-token') {
      const isAsked = this.#token.ask([...this.#clients.values()], event, () => this.#broadcast(event));
      if (!isAsked) this.#unheard.push(event);
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

  /** Answers when everything that the answer rests on is stored. */
  #answerStored(client: Client, id: number, engine: Engine, answer: Answers[Op]): void {
    const stored = engine.settle();
    const tell = (): void => {
      this.#answer(client, id, answer);
      // There is room, also for what the network brings.
      if (stored) this.#pause.end();
    };
    this.#held.hold(stored, tell, (error) => client.send({ type: 'failed', id, error: toWire(error) }));
  }

  #answer(client: Client, id: number, answer: Answers[Op]): void {
    client.send({ type: 'ok', id, answer });
  }
}

function closed(): Failure {
  return new Failure('Closed', 'The database was closed.');
}
