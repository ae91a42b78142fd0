import type { WireError } from '../errors.js';
import type { Answers, EngineEvent, Op, OpenRequest, Request, RequestOf, StatusMessage, WorkerMessage } from '../messages.js';
import type { SchemaDefinition } from '../schema.js';
import { Calls } from './calls.js';
import type { Client } from './client.js';
import { type Engine, type EngineModule, type EngineOptions, engineOptions } from './engine.js';
import { closed, Failure, isTrap, messageOf, pendingWrites, toWire, undeletable } from './failure.js';
import { type FileRequest, Import } from './import.js';
import { compareSchemas, outdatedSchema } from './release.js';
import { behindMessages, type Later, WriteGroup, writeTogether } from './write-group.js';

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
  readonly #writes: WriteGroup;
  readonly #import = new Import();
  readonly #emit = (event: EngineEvent): void => this.#emitted(event);
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

  private constructor(module: EngineModule, options: OpenRequest, network: boolean, listener: HostListener, later: Later) {
    this.#module = module;
    this.#options = options;
    this.#network = network;
    this.#wanted = options.online;
    this.#listener = listener;
    this.#writes = new WriteGroup((writes) => {
      const alone = writes.length === 1 ? writes[0] : undefined;
      this.#guard(alone?.client ?? null, alone?.request.id ?? null, () => this.#engine && writeTogether(this.#engine, writes));
    }, later);
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
  static async open(module: EngineModule, options: OpenRequest, network: boolean, listener: HostListener, later = behindMessages()): Promise<Host> {
    const host = new Host(module, options, network, listener, later);
    host.#engine = await host.#openEngine();
    if (options.storage === 'opfs') host.#import.tidyLater(module, options.name);
    return host;
  }

  /** Takes a request of a page that was opened. One that was not is of no meaning any more: its page asks again. */
  receive(client: Client, request: Request): void {
    if (request.op === 'open') this.#admit(client, request);
    else if (this.#clients.get(client.id) !== client) return;
    else if (this.#mayRun(request) && request.op === 'write' && this.#engine) this.#writes.add({ client, request });
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
    this.#writes.drop();
    this.#calls.close();
    this.#import.release();
    this.#state = 'closed';
    const engine = this.#engine;
    this.#engine = null;
    engine?.close();
  }

  #openEngine(next: Pick<EngineOptions, 'user' | 'left_pending'> = {}): Promise<Engine> {
    return this.#module.Database.open({ ...this.#engineOptions(), ...next }, this.#emit);
  }

  #engineOptions(): EngineOptions {
    return engineOptions(this.#options, this.#wanted && this.#network);
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

  /** What waited in the queue runs alone, so that a request that kills worker after worker is found. */
  #run(client: Client, request: Exclude<Request, { op: 'open' }>): void {
    this.#writes.flush();
    switch (request.op) {
      case 'close':
        return;
      case 'delete':
        void this.#delete(client, request);
        return;
      case 'switch':
        void this.#switch(client, request);
        return;
      case 'import-write':
      case 'import-drop':
      case 'import-end':
        void this.#takeFile(client, request);
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
    this.#writes.drop(client);
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
      const opened = await this.#reopen(client, async () => {
        if (owner === null && storage !== 'memory') await this.#module.Database.remove(name);
        return this.#openEngine({ user, left_pending: kept ? pending : 0 });
      });
      this.#answer(client, id, { switched: true, status: opened });
    } catch (error) {
      if (isTrap(error)) return this.#crash(client, id, error);
      client.send({ type: 'failed', id, error: toWire(error) });
    }
    this.#goOn();
  }

  /** Closes the database and opens one in its place; everything else waits. */
  async #reopen(client: Client, open: () => Promise<Engine>): Promise<StatusMessage> {
    this.#state = 'switching';
    this.#leave(client);
    await this.#import.drop();
    this.#calls.close();
    this.#engine?.close();
    this.#engine = null;
    try {
      this.#engine = await open();
      this.#state = 'open';
      return this.#engine.status();
    } catch (error) {
      this.#state = 'failed';
      this.#failure = toWire(error);
      throw error;
    }
  }

  #goOn(): void {
    for (const { client, request } of this.#arriving.splice(0)) this.#admit(client, request);
    this.#drain();
  }

  async #takeFile(client: Client, request: FileRequest & { readonly id: number }): Promise<void> {
    try {
      const engine = this.#engine;
      if (!engine) throw this.#failure ?? closed();
      const isWhole = request.op === 'import-end';
      const answer = isWhole ? await this.#replace(engine, client, request) : await this.#import.take(this.#module, this.#engineOptions(), request);
      this.#answer(client, request.id, answer);
    } catch (error) {
      if (isTrap(error)) return this.#crash(client, request.id, error);
      client.send({ type: 'failed', id: request.id, error: toWire(error) });
    }
    this.#goOn();
  }

  /** Puts a file that has come in the place of the database. If that fails the former one is open again. */
  async #replace(engine: Engine, client: Client, request: RequestOf<'import-end'>): Promise<StatusMessage> {
    if (engine.was_imported(request.import)) return engine.status();
    const { pending, user } = engine.status();
    if (pending > 0 && (this.#options.sync || user) && !request.discardPending) throw pendingWrites(pending);
    const file = await this.#import.ready(this.#module, this.#engineOptions(), engine, request.import);
    try {
      return await this.#reopen(client, () => file.open(this.#engineOptions(), this.#emit));
    } catch (error) {
      if (!isTrap(error)) await this.#reopen(client, () => this.#openEngine());
      throw error;
    }
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
    const failure = request.discardPending ? null : undeletable(this.#engine, this.#options);
    if (failure) return client.send({ type: 'failed', id: request.id, error: toWire(failure) });
    try {
      await this.#import.drop();
      this.close();
      await this.#module.Database.remove(this.#options.name);
      await this.#listener.deleted(client, () => this.#answer(client, request.id, null));
    } catch (error) {
      client.send({ type: 'failed', id: request.id, error: toWire(error) });
    }
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
