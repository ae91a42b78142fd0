import type { WireError } from '../errors.js';
import type { Answers, EngineEvent, Op, OpenRequest, Request, RequestOf, StatusMessage, UnsavedEvent } from '../messages.js';
import { Answering } from './answering.js';
import { Audience } from './audience.js';
import { Calls } from './calls.js';
import type { Client } from './client.js';
import { undeletable } from './deletion.js';
import { type Engine, type EngineModule, type EngineOptions, engineOptions } from './engine.js';
import { closed, isTrap, messageOf, pendingWrites, toWire } from './failure.js';
import { forgetGone } from './gone.js';
import type { HostListener } from './host-listener.js';
import { type FileRequest, Import } from './import.js';
import { type Asked, RequestQueue } from './queue.js';
import { outdatedSchema, standingOf } from './release.js';
import { openUnlessDeleted } from './vanished.js';
import { behindMessages, type GroupedWrite, type Later, WriteGroup } from './write-group.js';

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
  readonly #audience = new Audience();
  readonly #calls: Calls;
  readonly #writes: WriteGroup;
  readonly #import = new Import();
  readonly #queue = new RequestQueue();
  /** Pages that come while another database is opened. */
  readonly #arriving: { readonly client: Client; readonly request: RequestOf<'open'> & { readonly id: number } }[] = [];
  readonly #answers = new Answering();
  #state: State = 'open';
  #engine: Engine | null = null;
  #failure: WireError | null = null;
  #wanted: boolean;
  #network: boolean;
  #yielding = false;

  private constructor(module: EngineModule, options: OpenRequest, network: boolean, listener: HostListener, later: Later) {
    this.#module = module;
    this.#options = options;
    this.#network = network;
    this.#wanted = options.online;
    this.#listener = listener;
    this.#writes = new WriteGroup((writes) => this.#writeTogether(writes), later);
    const limits = { idleMs: options.transactionIdleMs, totalMs: options.transactionTotalMs };
    this.#calls = new Calls(limits, {
      timedOut: (work) => {
        this.#guard(null, null, work);
        this.#drain();
      },
      isWaiting: (id) => this.#queue.isWaiting(id),
    });
  }

  /** Opens the database. The caller holds its lock. */
  static async open(module: EngineModule, options: OpenRequest, network: boolean, listener: HostListener, later = behindMessages()): Promise<Host> {
    const host = new Host(module, options, network, listener, later);
    const engine = await openUnlessDeleted(options.marked, listener, (marked) => host.#openEngine({ marked }));
    host.#engine = engine;
    if (engine.status().storage === 'opfs') host.#import.tidyLater(module, options.name);
    return host;
  }

  /** Takes a request of a page that was opened. One that was not is of no meaning any more: its page asks again. */
  receive(client: Client, request: Request): void {
    if (request.op === 'open') this.#admit(client, request);
    else if (!this.#audience.has(client)) return;
    else if (!this.#mayRun(request)) this.#queue.push(client, request);
    else if (request.op === 'write' && !request.again && this.#engine) this.#writes.add({ client, request });
    else this.#run(client, request);
  }

  /** A page is gone: its open transaction is rolled back, its live queries end. */
  detach(client: Client): void {
    if (!this.#audience.has(client)) return;
    this.#audience.remove(client);
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
    else this.#audience.broadcast({ type: 'error', error: toWire(error) });
  }

  /** Drops the answers that are kept for pages that are gone, which `areGone` finds out. */
  sweep(areGone: (pages: readonly string[]) => Promise<readonly string[]>): Promise<void> {
    // A look at the engine would get into a transaction that is open.
    return forgetGone(() => (this.#state === 'open' && !this.#calls.isBusy ? this.#engine : null), areGone);
  }

  /** Closes the database, when what runs is finished, for another worker to own. */
  yield(): void {
    if (this.#yielding || this.#state === 'closed') return;
    this.#yielding = true;
    this.#drain();
  }

  /** Resolves when everything that was committed is stored, or failed to be. */
  async stored(): Promise<void> {
    await this.#answers.given();
    await this.#engine?.settle()?.catch(() => {});
  }

  /** Closes the database at once. */
  close(): void {
    this.#audience.answered();
    this.#answers.pause.stop();
    this.#writes.drop();
    this.#calls.close();
    this.#import.release();
    this.#state = 'closed';
    const engine = this.#engine;
    this.#engine = null;
    engine?.close();
  }

  readonly #emit = (event: EngineEvent | UnsavedEvent): void => {
    if (event.type !== 'unsaved') this.#audience.hear(event, (id) => this.#calls.watchOf(id));
    else if (this.#state === 'open') void this.#recover(event.error);
  };

  #openEngine(found: Partial<EngineOptions>): Promise<Engine> {
    return this.#module.Database.open({ ...this.#engineOptions(), ...found }, this.#emit);
  }

  #engineOptions(): EngineOptions {
    return engineOptions(this.#options, this.#wanted && this.#network);
  }

  /** Commits could not be stored: who made them hears so, and the database is opened again without them. */
  async #recover(cause: WireError): Promise<void> {
    this.#state = 'switching';
    this.#audience.broadcast({ type: 'error', error: cause });
    try {
      await this.#answers.given();
      const marked = this.#engine?.status().storage ?? null;
      await this.#putInPlace(null, () => this.#openEngine({ marked, online: false }));
      this.#answers.pause.begin(() => this.network(this.#network));
    } catch (error) {
      if (isTrap(error)) return this.#crash(null, null, error);
    }
    this.#welcome();
  }

  /** Closes the database, whose commits are stored, and opens one in its place; everything else waits. */
  async #putInPlace(client: Client | null, open: () => Promise<Engine>): Promise<StatusMessage> {
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

  /** Runs what may put another database in this one's place. */
  async #replacing(client: Client, id: number, work: () => Promise<Answers[Op]>): Promise<void> {
    try {
      this.#answers.give(client, id, await work());
    } catch (error) {
      if (isTrap(error)) return this.#crash(client, id, error);
      this.#answers.fail(client, id, error);
      // What was committed could not be stored: this database stays.
      if (this.#state === 'switching' && this.#engine) return this.#recover(toWire(error));
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
    const former = this.#audience.get(client.id);
    if (former) this.#forget(former);
    this.#audience.remove(client);
    const standing = standingOf(options, this.#options);
    const engine = this.#engine;
    if (standing === 'newer') this.yield();
    else if (standing === 'older') this.#answers.fail(client, id, outdatedSchema());
    else if (this.#state === 'switching' && !this.#yielding) this.#arriving.push({ client, request });
    else if (!engine && !this.#yielding) this.#answers.fail(client, id, this.#failure ?? closed());
    else if (engine && !this.#yielding) {
      this.#guard(client, id, () => this.#answers.give(client, id, engine.status()));
      client.send({ type: 'wanted', online: this.#wanted });
      this.#audience.add(client, engine.streams());
    }
  }

  #mayRun(request: Request): boolean {
    if (this.#state === 'switching') return false;
    if (this.#calls.isBusy) return IN_TRANSACTION.has(request.op);
    return this.#queue.isEmpty && !this.#yielding;
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
    this.#queue.drop();
    const given = this.#answers.given();
    const hand = (): void => {
      this.#guard(null, null, () => this.close());
      this.#listener.yielded();
    };
    if (given) {
      this.#state = 'switching';
      void given.then(hand);
    } else hand();
  }

  /** What waited in the queue runs alone, so that a request that kills worker after worker is found. */
  #run(client: Client, request: Asked): void {
    this.#writes.flush();
    switch (request.op) {
      case 'close':
        return;
      case 'delete':
        void this.#delete(client, request);
        return;
      case 'switch':
        void this.#replacing(client, request.id, () => this.#switch(client, request));
        return;
      case 'import-write':
      case 'import-drop':
      case 'import-end':
        void this.#replacing(client, request.id, () => this.#takeFile(client, request));
        return;
      default:
        this.#guard(client, request.id, () => {
          const engine = this.#current();
          if (request.op === 'rollback') this.#queue.giveUp(request.transaction);
          if (request.op === 'token' || request.op === 'no-token') this.#audience.answered();
          const answer = this.#calls.run(engine, client.id, request.op === 'online' ? this.#wish(request) : request);
          this.#answers.giveStored(engine, client, request.id, answer);
        });
        this.#drain();
    }
  }

  /** What one page wants of the connection holds for all, and for the next owner. */
  #wish(request: RequestOf<'online'> & { readonly id: number }): RequestOf<'online'> & { readonly id: number } {
    this.#wanted = request.wanted;
    this.#audience.broadcast({ type: 'wanted', online: request.wanted });
    return { ...request, wanted: request.wanted && this.#network };
  }

  #writeTogether(writes: readonly GroupedWrite[]): void {
    const alone = writes.length === 1 ? writes[0] : undefined;
    this.#guard(alone?.client ?? null, alone?.request.id ?? null, () => {
      if (this.#engine) this.#answers.writeTogether(this.#engine, writes);
    });
  }

  #forget(client: Client): void {
    this.#writes.drop(client);
    this.#queue.drop(client);
    this.#release(client);
  }

  /** Rolls a page's transaction back and ends its live queries. */
  #release(client: Client): void {
    const engine = this.#engine;
    if (engine) this.#guard(null, null, () => this.#calls.forget(engine, client.id));
  }

  /** Opens the database of another user in place of this one, whose writes stay in it. */
  async #switch(client: Client, { user, discardPending }: RequestOf<'switch'>): Promise<Answers['switch']> {
    const engine = this.#current();
    const status = engine.status();
    const { user: owner, pending } = status;
    const stays = owner ? owner.issuer === user.issuer && owner.subject === user.subject : pending === 0;
    if (stays) return { switched: false, status };
    // What nobody wrote has no user to wait for, and memory no place to wait in.
    const isStored = status.storage !== 'memory';
    const kept = owner !== null && isStored;
    if (!kept && pending > 0 && !discardPending) throw pendingWrites(pending);
    this.#state = 'switching';
    await this.#answers.settled(engine);
    const isEmptied = owner === null && isStored;
    const opened = await this.#putInPlace(client, async () => {
      if (isEmptied) await this.#module.Database.remove(this.#options.name);
      return this.#openEngine({ user, left_pending: kept ? pending : 0, marked: isEmptied ? null : status.storage });
    });
    return { switched: true, status: opened };
  }

  /** Takes a piece of a file, or all of it in the place of the database. If that fails the former one is open again. */
  async #takeFile(client: Client, request: FileRequest): Promise<Answers[Op]> {
    const engine = this.#current();
    const { pending, user, storage: marked } = engine.status();
    const options: EngineOptions = { ...this.#engineOptions(), storage: [marked], marked };
    if (request.op !== 'import-end') return this.#import.take(this.#module, options, request);
    if (engine.was_imported(request.import)) return engine.status();
    if (pending > 0 && (this.#options.sync || user) && !request.discardPending) throw pendingWrites(pending);
    // Nothing is written any more that the file would take the place of.
    this.#state = 'switching';
    const file = await this.#import.ready(this.#module, options, engine, request.import).catch((error: unknown) => {
      this.#state = 'open';
      throw error;
    });
    await this.#answers.settled(engine);
    try {
      return await this.#putInPlace(client, () => file.open(options, this.#emit));
    } catch (error) {
      if (!isTrap(error)) await this.#putInPlace(client, () => this.#openEngine({ marked }));
      throw error;
    }
  }

  #current(): Engine {
    if (!this.#engine) throw this.#failure ?? closed();
    return this.#engine;
  }

  /** What other pages asked for, or are asking for now, was meant for the former database: they open anew. */
  #leave(client: Client | null): void {
    for (const other of this.#audience.all()) {
      if (other === client) {
        this.#release(client);
        continue;
      }
      this.#forget(other);
      this.#audience.remove(other);
      other.send({ type: 'moved' });
    }
  }

  async #delete(client: Client, request: RequestOf<'delete'> & { readonly id: number }): Promise<void> {
    const failure = request.discardPending ? null : undeletable(this.#engine, this.#options);
    if (failure) return this.#answers.fail(client, request.id, failure);
    try {
      await this.stored();
      await this.#import.drop();
      this.close();
      await this.#module.Database.remove(this.#options.name);
      await this.#listener.deleted(client, () => this.#answers.give(client, request.id, null));
    } catch (error) {
      this.#answers.fail(client, request.id, error);
    }
  }

  /** Runs something of the engine: a failure answers the request, a trap ends this worker. */
  #guard(client: Client | null, id: number | null, work: () => void): void {
    try {
      work();
    } catch (error) {
      if (isTrap(error)) this.#crash(client, id, error);
      else if (client === null || id === null) this.#audience.broadcast({ type: 'error', error: toWire(error) });
      else this.#answers.fail(client, id, error);
    }
  }

  #crash(client: Client | null, id: number | null, error: unknown): void {
    this.#state = 'closed';
    this.#queue.drop();
    this.#engine = null;
    this.#listener.crashed(messageOf(error), client, id);
  }
}
