import type { OpenRequest, PageMessage, Request, RequestOf, WorkerMessage } from '../messages.js';
import { uuid } from '../uuid.js';
import { Channel, type Downward, type Link, type Upward } from './channel.js';
import type { Client } from './client.js';
import { unreadable } from './deletion.js';
import type { EngineModule } from './engine.js';
import { isTrap, messageOf, toWire } from './failure.js';
import { Followers } from './followers.js';
import { Host } from './host.js';
import { clientLock, databaseTopic, hold, NoLocks, OwnerLock, pagesGone } from './locks.js';
import { outdatedSchema } from './release.js';

/** Compiles the wasm module at an URL. */
export type Load = (url: string) => Promise<EngineModule>;

/** Sends a message to the page. */
export type Post = (message: WorkerMessage) => void;

type Opening = RequestOf<'open'> & { readonly id: number };

/** An owner that says nothing for so long is asked whether it lives, and after as long again is not counted on. */
const SILENCE_MS = 2000;
/** An owner that nobody sees gives way, after so long, to one that somebody sees. */
const HIDDEN_MS = 5000;
/** How long a page may take to say whether it remembers a database. */
const REMEMBER_MS = 2000;
/** How long the pages of a deleted database may take to let go of it. */
const DELETED_MS = 1000;

/**
 * Serves one page. Where its worker owns the database it asks the host that runs here, otherwise the host in the worker of
 * another tab, over a link. It waits for the ownership meanwhile, with the wasm module compiled, so that taking over fetches
 * nothing.
 */
export class Session {
  readonly #post: Post;
  readonly #load: Load;
  #locks: LockManager | undefined;
  readonly #id = uuid();
  readonly #page: Client = { id: this.#id, visible: true, send: (message) => this.#post(message) };
  #broker: MessagePort | null = null;
  #options: OpenRequest | null = null;
  #module: Promise<EngineModule> | null = null;
  #lock: OwnerLock | null = null;
  #channel: Channel | null = null;
  #host: Host | null = null;
  #link: Link | null = null;
  #isConnected = false;
  /** What the page asks for first, until somebody answers it. */
  #opening: Opening | null = null;
  #isFailed = false;
  /** Requests that were sent over the link and are not answered. */
  readonly #unanswered = new Set<number>();
  #watch: ReturnType<typeof setInterval> | undefined;
  #heardAt = 0;
  #followers: Followers | null = null;
  #hiddenAt: number | null = null;
  #hidden: ReturnType<typeof setTimeout> | undefined;
  #network = true;
  #remembered: ((remembered: boolean) => void) | undefined;

  /** `locks`: those of the browser, if it has any. */
  constructor(post: Post, load: Load, locks: LockManager | undefined) {
    this.#locks = locks;
    this.#post = post;
    this.#load = load;
  }

  /** Takes a message of the page. */
  receive(message: PageMessage): void {
    switch (message.op) {
      case 'broker':
        this.#broker = message.port;
        return;
      case 'ping':
        this.#post({ type: 'pong' });
        return;
      case 'visible':
        this.#seen(message.visible);
        return;
      case 'remembered':
        this.#remembered?.(message.remembered);
        return;
      case 'open':
        return void this.#open(message);
      case 'close':
        return void this.#close(message.id);
      default:
        if (this.#host) this.#host.receive(this.#page, message);
        else if (this.#isConnected && !this.#opening) this.#ask(message);
        // Anything else comes again when the database is open.
        else if (message.op === 'delete' && this.#isFailed) void this.#deleteUnopened(message);
    }
  }

  /** The browser says that the network came or went. */
  network(available: boolean): void {
    this.#network = available;
    this.#host?.network(available);
  }

  /** Something was thrown outside any request: a socket's or a timer's callback. */
  thrown(error: unknown): void {
    if (this.#host) this.#host.thrown(error);
    else if (isTrap(error)) this.#post({ type: 'crashed', id: null, message: messageOf(error) });
    else this.#post({ type: 'error', error: toWire(error) });
  }

  async #open(request: Opening): Promise<void> {
    const { options } = request;
    this.#options = options;
    this.#opening = request;
    this.#isFailed = false;
    this.#module ??= this.#load(options.wasmUrl);
    this.#module.catch(() => {});
    try {
      if (this.#host || this.#isConnected) this.#serveOpening();
      else if (isAlone(options)) await this.#own();
      else await this.#enter(options.name);
    } catch (error) {
      if (error instanceof NoLocks && options.storage.includes('memory')) await this.#goAlone(options);
      else this.#failed(error);
    }
  }

  /** Without locks there is nothing but memory. */
  async #goAlone(options: OpenRequest): Promise<void> {
    this.#options = { ...options, storage: ['memory'] };
    this.#locks = undefined;
    await this.#own().catch((error) => this.#failed(error));
  }

  /** Takes the database if nobody has it, else follows its owner and waits. */
  async #enter(name: string): Promise<void> {
    const locks = this.#locks;
    if (!locks) throw new NoLocks('This browser has no Web Locks, which the database needs to be safe in several tabs. Update it.');
    this.#lock ??= new OwnerLock(locks, name, () => void this.#own().catch((error) => this.#failed(error)));
    if (!this.#channel) {
      // Whoever serves this worker waits for this lock, and so learns that it is gone.
      await hold(locks, clientLock(this.#id));
      this.#channel = new Channel(name, this.#broker, {
        owned: () => void this.#follow(),
        asked: (client, release, link) => this.#followers?.accept(client, release, link),
      });
    }
    if (await this.#lock.take()) return this.#own();
    this.#post({ type: 'owner', owner: 'other-tab' });
    this.#lock.queue();
    this.#expectAnswer();
    await this.#follow();
  }

  /** Opens the database, whose lock this worker has, and serves whoever asks. */
  async #own(): Promise<void> {
    const options = this.#options as OpenRequest;
    this.#unlink();
    try {
      const module = await (this.#module as Promise<EngineModule>);
      this.#host = await Host.open(module, options, this.#network, {
        crashed: (message, client, request) => this.#crashed(message, client, request),
        deleted: (client, answer) => this.#deleted(client, answer),
        yielded: () => this.#yielded(),
        remembers: () => this.#remembers(),
      });
    } catch (error) {
      this.#lock?.release();
      throw error;
    }
    if (this.#locks) this.#followers = new Followers(this.#host, this.#locks, () => this.#followersChanged());
    this.#post({ type: 'owner', owner: 'this-tab' });
    if (this.#opening) this.#serveOpening();
    else this.#post({ type: 'moved' });
    this.#channel?.serve();
    void this.#sweep();
  }

  /** Asks the page whether it remembers the database still. One that does not answer has not forgotten it. */
  #remembers(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#remembered = resolve;
      setTimeout(() => resolve(true), REMEMBER_MS);
      this.#post({ type: 'vanished' });
    });
  }

  #serveOpening(): void {
    const opening = this.#opening;
    if (!opening) return;
    if (this.#host) {
      this.#opening = null;
      this.#host.receive(this.#page, opening);
    } else this.#ask(opening);
  }

  /** The database cannot be opened here; another tab may be able to. */
  #failed(error: unknown): void {
    const opening = this.#opening;
    this.#opening = null;
    this.#isFailed = opening !== null;
    if (isTrap(error)) this.#post({ type: 'crashed', id: opening?.id ?? null, message: messageOf(error) });
    else if (opening) this.#post({ type: 'failed', id: opening.id, error: toWire(error) });
    // The page asks again, and hears the reason.
    else this.#post({ type: 'moved' });
  }

  /** Connects with the owner, which may be another one than before. */
  async #follow(): Promise<void> {
    if (this.#host || !this.#channel) return;
    const { link, first } = await this.#channel.connect(this.#id);
    if (this.#host) return link.close();
    this.#unlink();
    this.#link = link;
    link.onmessage = ({ data }: MessageEvent<Downward>) => {
      if (this.#link === link) this.#heard(data);
    };
    if (first) this.#heard(first);
  }

  #heard(message: Downward): void {
    if (performance.now() - this.#heardAt > SILENCE_MS) this.#post({ type: 'owner', owner: 'other-tab' });
    this.#heardAt = performance.now();
    if (message.type === 'connected') {
      this.#isConnected = true;
      this.#say({ type: 'visible', visible: this.#page.visible });
      if (this.#opening) this.#serveOpening();
      else this.#post({ type: 'moved' });
    } else if (message.type === 'outdated') {
      this.#outdated();
    } else if (message.type === 'page') {
      const said = message.message;
      if (said.type === 'ok' || said.type === 'failed') this.#answered(said.id, said.type === 'ok');
      this.#post(said);
    }
  }

  #answered(id: number, done: boolean): void {
    this.#unanswered.delete(id);
    if (id !== this.#opening?.id) return;
    this.#opening = null;
    this.#isFailed = !done;
    // A page that is not served is not the next owner either.
    if (!done) this.#leave();
  }

  #ask(request: Request): void {
    this.#unanswered.add(request.id);
    this.#say({ type: 'request', request });
    this.#expectAnswer();
  }

  #say(message: Upward): void {
    this.#link?.postMessage(message);
  }

  /** Asks an owner that is silent whether it lives. There is no heartbeat: who waits for nothing asks nothing. */
  #expectAnswer(): void {
    if (this.#watch !== undefined) return;
    this.#heardAt = performance.now();
    this.#watch = setInterval(() => {
      if (this.#host || (this.#unanswered.size === 0 && !this.#opening)) {
        clearInterval(this.#watch);
        this.#watch = undefined;
        return;
      }
      const silence = performance.now() - this.#heardAt;
      if (silence < SILENCE_MS) return;
      this.#say({ type: 'ping' });
      if (silence < 2 * SILENCE_MS) return;
      this.#post({ type: 'owner', owner: 'unresponsive' });
      this.#lock?.requeue();
    }, SILENCE_MS);
  }

  #unlink(): void {
    this.#isConnected = false;
    this.#unanswered.clear();
    this.#link?.close();
    this.#link = null;
  }

  /** The owner is of a newer release: what it has not answered it never ran. */
  #outdated(): void {
    const opening = this.#opening;
    this.#opening = null;
    this.#leave();
    this.#post({ type: 'owner', owner: 'outdated' });
    if (opening) this.#post({ type: 'failed', id: opening.id, error: toWire(outdatedSchema()) });
    else this.#post({ type: 'outdated', error: toWire(outdatedSchema()) });
  }

  // What follows is of a worker that owns the database.

  #followersChanged(): void {
    this.#considerYielding();
    void this.#sweep();
  }

  /** Drops the answers that are kept for pages that are gone. */
  async #sweep(): Promise<void> {
    const locks = this.#locks;
    if (locks) await this.#host?.sweep((pages) => pagesGone(locks, pages));
  }

  /** The page is seen, or is hidden. */
  #seen(visible: boolean): void {
    this.#page.visible = visible;
    this.#hiddenAt = visible ? null : performance.now();
    this.#say({ type: 'visible', visible });
    // Those that can be seen wait in front of those that cannot.
    if (!visible) this.#lock?.requeue();
    this.#considerYielding();
  }

  /** An owner in a hidden tab gives way when a visible one follows it. */
  #considerYielding(): void {
    clearTimeout(this.#hidden);
    const host = this.#host;
    if (!host || this.#hiddenAt === null || !this.#followers?.isSeen) return;
    const left = this.#hiddenAt + HIDDEN_MS - performance.now();
    if (left <= 0) host.yield();
    else this.#hidden = setTimeout(() => this.#considerYielding(), left);
  }

  /** The database is closed here: another worker's turn has come, and this one follows it. */
  #yielded(): void {
    this.#retire();
    this.#lock?.release();
    this.#lock?.queue();
    this.#post({ type: 'owner', owner: 'other-tab' });
  }

  #retire(): void {
    this.#channel?.retire();
    this.#followers?.leave();
    this.#host = null;
  }

  #crashed(message: string, client: Client | null, request: number | null): void {
    if (client && client !== this.#page && request !== null) client.send({ type: 'blamed', id: request, message });
    this.#post({ type: 'crashed', id: client === this.#page ? request : null, message });
  }

  /** Lets nobody open the database anew who has not heard that it is gone: this page, whose end ends this worker, is told last. */
  async #deleted(asker: Client, answer: () => void): Promise<void> {
    if (asker !== this.#page) answer();
    await Promise.race([this.#followers?.end(asker), new Promise((late) => setTimeout(late, DELETED_MS))]);
    this.#retire();
    this.#lock?.release();
    if (asker === this.#page) answer();
    else this.#post({ type: 'deleted' });
  }

  // The end.

  async #close(id: number): Promise<void> {
    try {
      await this.#host?.stored();
      this.#host?.close();
      this.#leave();
      this.#post({ type: 'ok', id, answer: null });
    } catch (error) {
      this.#post({ type: 'failed', id, error: toWire(error) });
    }
  }

  #leave(): void {
    this.#say({ type: 'leave' });
    this.#unlink();
    this.#retire();
    this.#lock?.release();
    this.#channel?.close();
    this.#channel = null;
  }

  /** Deletes a database that could not be opened. */
  async #deleteUnopened({ id, discardPending }: RequestOf<'delete'> & { readonly id: number }): Promise<void> {
    try {
      if (!discardPending) throw unreadable();
      const options = this.#options as OpenRequest;
      const module = await (this.#module as Promise<EngineModule>);
      if (!isAlone(options)) {
        const release = await hold(this.#locks as LockManager, databaseTopic(options.name));
        await module.Database.remove(options.name).finally(() => release?.());
      }
      this.#post({ type: 'ok', id, answer: null });
    } catch (error) {
      this.#post({ type: 'failed', id, error: toWire(error) });
    }
  }
}

/** Whether no other tab can use the same database. */
function isAlone({ storage }: OpenRequest): boolean {
  return storage.every((tier) => tier === 'memory');
}
