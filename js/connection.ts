import { errorFromWire, LeaderLost, NotAllowed, type SeaworthyError, UserChanged, WorkerFailed } from './errors.js';
import type { Answers, EngineEvent, Op, OpenRequest, Owner, PageMessage, RequestBody, RequestOf, Response, StatusMessage, WorkerMessage } from './messages.js';
import { Watchdog } from './watchdog.js';

/** What a connection needs of a worker. */
export type WorkerPort = Pick<Worker, 'postMessage' | 'terminate' | 'addEventListener'>;

/** Where a connection's worker comes from, and what a failed start means. */
export interface WorkerSource {
  start(): WorkerPort;
  /** A port to the SharedWorker that brings the workers of tabs together, where there is one. */
  broker(): MessagePort | null;
  /** Resolves when the page holds the lock that says that it lives. */
  readonly alive: Promise<unknown> | null;
  /** Whether the page remembers that there is a database. */
  remembered(): boolean;
  /** Called when it fired `error`, or said nothing for `helloMs`. */
  diagnose(): Promise<SeaworthyError>;
  readonly helloMs: number;
}

/** What comes unasked. */
export interface ConnectionListener {
  event(event: EngineEvent): void;
  owner(owner: Owner | 'opening'): void;
  /**
   * Another worker serves this page, or another user's database is open: what the former one knew by heart must be said again.
   * Says whether the user is another one.
   */
  reopened(status: StatusMessage): boolean;
  /** The connection is of no more use. */
  failed(error: SeaworthyError): void;
  /** The database was deleted in another tab. */
  deleted(): void;
}

interface Waiting {
  readonly body: RequestBody;
  readonly resolve: (answer: Answers[Op]) => void;
  readonly reject: (error: unknown) => void;
  crashes: number;
}

/** What an open transaction needs in order to end. */
const IN_TRANSACTION: ReadonlySet<Op> = new Set(['step', 'commit', 'rollback', 'close']);
/** What can be asked of a worker whose database is not open. */
const WITHOUT_DATABASE: ReadonlySet<Op> = new Set(['close', 'delete']);
const ACKNOWLEDGE_MS = 1000;
/** A request that killed so many workers is not sent again. */
const MAX_CRASHES = 2;
const MAX_RESTARTS = 5;
const RESTART_WINDOW_MS = 30_000;

/**
 * The page's end of its worker, which asks the owner of the database, in this tab or in another. Requests are sent when the
 * database is open. Those that were under way when the owner went are sent to the next one: reads are run again, writes are
 * answered from their request id if they were committed.
 */
export class Connection {
  readonly #source: WorkerSource;
  #options: OpenRequest;
  readonly #listener: ConnectionListener;
  readonly #waiting = new Map<number, Waiting>();
  readonly #received: string[] = [];
  readonly #watchdog = new Watchdog({
    isWaiting: () => this.#waiting.size > 0 || !this.#isOpen,
    ping: () => this.#post({ op: 'ping' }),
    silent: () => this.#crashed(this.#waiting.keys().next().value ?? null, 'it did not answer for a minute'),
  });
  /** What is asked while one request has the worker to itself. */
  #held: Map<number, Waiting> | null = null;
  #quiet: (() => void) | undefined;
  #acknowledging: ReturnType<typeof setTimeout> | undefined;
  #hello: ReturnType<typeof setTimeout> | undefined;
  #worker: WorkerPort | null = null;
  #opened: { readonly resolve: (status: Answers['open']) => void; readonly reject: (error: SeaworthyError) => void } | null = null;
  /** The number under which the database is asked for. */
  #opening = 0;
  #isOpen = false;
  #isVisible = true;
  #starts = 0;
  #nextId = 1;
  #restarts: number[] = [];
  #failure: SeaworthyError | null = null;
  /** Why the database could not be opened. */
  #refusal: SeaworthyError | null = null;

  constructor(source: WorkerSource, options: OpenRequest, listener: ConnectionListener) {
    this.#source = source;
    this.#options = options;
    this.#listener = listener;
  }

  /** Starts the worker. Resolves when the database is open, here or in another tab. */
  open(): Promise<Answers['open']> {
    return new Promise((resolve, reject) => {
      this.#opened = { resolve, reject };
      this.start();
    });
  }

  /** Starts a worker, unless one runs, which opens the database. */
  start(): void {
    if (this.#worker || this.#failure) return;
    this.#starts++;
    if (this.#starts > 1) this.#listener.owner('opening');
    try {
      this.#worker = this.#source.start();
    } catch {
      void this.#diagnose(this.#starts);
      return;
    }
    this.#listen(this.#worker, this.#starts);
    const broker = this.#source.broker();
    if (broker) this.#post({ op: 'broker', port: broker }, [broker]);
    this.#post({ op: 'visible', visible: this.#isVisible });
    this.#reopen();
  }

  /** Whether a person can see the page. */
  setVisible(visible: boolean): void {
    this.#isVisible = visible;
    this.#post({ op: 'visible', visible });
  }

  /** Asks for the database; what is unanswered is asked again when it is open. */
  #reopen(): void {
    this.#isOpen = false;
    const opening = this.#nextId++;
    this.#opening = opening;
    const ask = (): void => {
      if (this.#opening === opening) this.#post({ op: 'open', options: this.#options, id: opening });
    };
    if (this.#source.alive) void this.#source.alive.then(ask);
    else ask();
  }

  #onOpen(status: Answers['open']): void {
    this.#isOpen = true;
    this.#refusal = null;
    const first = this.#opened;
    this.#opened = null;
    const unanswered = [...this.#waiting];
    this.#waiting.clear();
    if (first) {
      first.resolve(status);
      for (const [id, waiting] of unanswered) {
        this.#waiting.set(id, waiting);
        this.#send(id, waiting.body);
      }
      return;
    }
    // The switch that this page itself asked for is no news.
    const isOther = this.#listener.reopened(status) && !this.#held;
    for (const [id, waiting] of unanswered) {
      if (isOther)
        waiting.reject(new UserChanged('The user was switched in another tab while this call was under way. Nothing of it was done for the new user.'));
      else this.#repeat(id, waiting);
    }
    this.#quietened();
  }

  /** What the next worker is told about the network. */
  setOnline(online: boolean): void {
    this.#options = { ...this.#options, online };
  }

  /** Ends the worker at once. Commits are in the file, so nothing is lost; what is unanswered waits for the next start. */
  stop(): void {
    clearTimeout(this.#hello);
    this.#watchdog.stop();
    this.#worker?.terminate();
    this.#worker = null;
    this.#isOpen = false;
  }

  /** Ends the worker for good; what is unanswered fails. */
  end(error: SeaworthyError): void {
    this.stop();
    clearTimeout(this.#acknowledging);
    this.#failure = error;
    this.#opened?.reject(error);
    this.#opened = null;
    for (const { reject } of [...this.#waiting.values(), ...(this.#held?.values() ?? [])]) reject(error);
    this.#waiting.clear();
    this.#held?.clear();
    this.#quiet?.();
  }

  /**
   * Asks for something that changes what every other request means: after all that was asked before is answered, so that no
   * worker is asked it again, and before anything that is asked meanwhile.
   */
  async alone<O extends Op>(request: RequestOf<O>): Promise<Answers[O]> {
    if (this.#held) throw new NotAllowed('The user is being switched, or a file imported, already. Await the first call.');
    this.flush();
    const held = new Map<number, Waiting>();
    this.#held = held;
    try {
      while (this.#waiting.size > 0) await new Promise<void>((quiet) => (this.#quiet = quiet));
      return await this.#ask(request, this.#waiting);
    } finally {
      this.#held = null;
      for (const [id, waiting] of held) {
        this.#waiting.set(id, waiting);
        this.#send(id, waiting.body);
      }
    }
  }

  /** Asks the worker. A signal stops the waiting, not what has begun. */
  call<O extends Op>(request: RequestOf<O>, signal?: AbortSignal): Promise<Answers[O]> {
    return this.#ask(request, this.#held && !IN_TRANSACTION.has(request.op) ? this.#held : this.#waiting, signal);
  }

  #ask<O extends Op>(request: RequestOf<O>, waiting: Map<number, Waiting>, signal?: AbortSignal): Promise<Answers[O]> {
    const body: RequestBody = 'request' in request ? { ...request, received: this.#received.splice(0) } : request;
    return new Promise((resolve, reject) => {
      const refused = this.#failure ?? (WITHOUT_DATABASE.has(request.op) ? null : this.#refusal);
      if (refused) return reject(refused);
      if (signal?.aborted) return reject(signal.reason);
      const id = this.#nextId++;
      const abort = (): void => reject(signal?.reason);
      const leave = (): void => signal?.removeEventListener('abort', abort);
      signal?.addEventListener('abort', abort);
      waiting.set(id, {
        body,
        resolve: (answer) => {
          leave();
          resolve(answer as Answers[O]);
        },
        reject: (error) => {
          leave();
          reject(error);
        },
        crashes: 0,
      });
      if (waiting !== this.#held) this.#send(id, body);
    });
  }

  #send(id: number, body: RequestBody): void {
    if (this.#isOpen || WITHOUT_DATABASE.has(body.op)) this.#post({ ...body, id });
  }

  #post(message: PageMessage, transfer: Transferable[] = []): void {
    this.#worker?.postMessage(message, transfer);
    if (this.#worker && 'id' in message) this.#watchdog.watch();
  }

  /** Sends what nobody has answered. A statement of an interactive transaction cannot be repeated: its transaction is gone. */
  #repeat(id: number, waiting: Waiting): void {
    if (waiting.body.op === 'step' || waiting.body.op === 'rollback') {
      waiting.reject(new LeaderLost('The worker that ran this transaction went away, and nothing of it was written. Run it again.'));
      return;
    }
    this.#waiting.set(id, waiting);
    this.#send(id, waiting.body.op === 'write' ? { ...waiting.body, again: true } : waiting.body);
  }

  #listen(worker: WorkerPort, start: number): void {
    const current = (): boolean => this.#worker === worker;
    let greeted = false;
    const silent = (): void => {
      if (current()) void this.#diagnose(start);
    };
    this.#hello = setTimeout(silent, this.#source.helloMs);
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      if (!current()) return;
      if (greeted) this.#crashed(null, event.message);
      else silent();
    });
    worker.addEventListener('message', ({ data }: MessageEvent<WorkerMessage>) => {
      if (!current()) return;
      this.#watchdog.heard();
      if (data.type === 'hello') {
        greeted = true;
        clearTimeout(this.#hello);
      } else if (data.type !== 'pong') this.#receive(data);
    });
  }

  #receive(message: Exclude<WorkerMessage, { type: 'hello' | 'pong' }>): void {
    switch (message.type) {
      case 'ok':
      case 'failed':
        if (message.id === this.#opening) this.#openEnded(message);
        else this.#settle(message);
        return;
      case 'owner':
        this.#listener.owner(message.owner);
        return;
      case 'vanished':
        this.#post({ op: 'remembered', remembered: this.#source.remembered() });
        return;
      case 'crashed':
        this.#crashed(message.id, message.message);
        return;
      case 'blamed':
        this.#blame(message.id, message.message);
        return;
      case 'moved':
        this.#reopen();
        return;
      case 'wanted':
        this.setOnline(message.online);
        return;
      case 'outdated':
        this.#fail(errorFromWire(message.error), true);
        return;
      case 'deleted':
        this.#listener.deleted();
        return;
      default:
        this.#listener.event(message);
    }
  }

  #openEnded(response: Response): void {
    if (response.type === 'ok') {
      this.#onOpen(response.answer as Answers['open']);
      return;
    }
    const error = errorFromWire(response.error);
    this.#refusal = error;
    this.#opened?.reject(error);
    this.#opened = null;
    for (const [id, { body, reject }] of this.#waiting) {
      if (WITHOUT_DATABASE.has(body.op)) continue;
      this.#waiting.delete(id);
      reject(error);
    }
    this.#quietened();
    this.#fail(error, false);
  }

  #settle(response: Response): void {
    const waiting = this.#waiting.get(response.id);
    if (!waiting) return;
    this.#waiting.delete(response.id);
    this.#quietened();
    if (response.type === 'failed') {
      waiting.reject(errorFromWire(response.error));
      return;
    }
    if ('request' in waiting.body) this.#acknowledge(waiting.body.request);
    waiting.resolve(response.answer);
  }

  #quietened(): void {
    if (this.#waiting.size === 0) this.#quiet?.();
  }

  /** The answer of a write has come, so the worker may forget it: the next write says so, or a message when there is none for a while. */
  #acknowledge(request: string): void {
    this.#received.push(request);
    this.#acknowledging ??= setTimeout(() => this.flush(), ACKNOWLEDGE_MS);
  }

  /** Tells the worker which answers have come. */
  flush(): void {
    clearTimeout(this.#acknowledging);
    this.#acknowledging = undefined;
    if (this.#received.length === 0) return;
    this.call({ op: 'acknowledge', requests: this.#received.splice(0) }).catch(() => {});
  }

  #crashed(id: number | null, message: string): void {
    this.stop();
    if (id !== null) this.#blame(id, message);
    const now = performance.now();
    this.#restarts = [...this.#restarts.filter((at) => now - at < RESTART_WINDOW_MS), now];
    if (this.#restarts.length > MAX_RESTARTS) {
      this.#fail(new WorkerFailed(`The database's worker stopped ${MAX_RESTARTS} times in a row (${message}). Reload the page.`, 'crashed'), true);
      return;
    }
    this.start();
  }

  #blame(id: number, message: string): void {
    const guilty = this.#waiting.get(id);
    if (!guilty || ++guilty.crashes < MAX_CRASHES) return;
    this.#waiting.delete(id);
    guilty.reject(new WorkerFailed(`The database's worker stopped twice while it ran this call (${message}). It was not run again.`, 'crashed'));
  }

  async #diagnose(start: number): Promise<void> {
    const error = await this.#source.diagnose();
    if (this.#starts === start) this.#fail(error, true);
  }

  /** Opening failed. The worker stays when it can still delete the database. */
  #fail(error: SeaworthyError, gone: boolean): void {
    this.#listener.failed(error);
    if (gone) this.end(error);
  }
}
