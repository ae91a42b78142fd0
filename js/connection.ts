import { errorFromWire, LeaderLost, NotAllowed, type SeaworthyError, WorkerFailed } from './errors.js';
import type { Answers, EngineEvent, Op, OpenRequest, Request, RequestBody, RequestOf, Response, WorkerMessage } from './messages.js';

/** What a connection needs of a worker. */
export type WorkerPort = Pick<Worker, 'postMessage' | 'terminate' | 'addEventListener'>;

/** Where a connection's worker comes from, and what a failed start means. */
export interface WorkerSource {
  start(): WorkerPort;
  /** Called when it fired `error`, or said nothing for `helloMs`. */
  diagnose(): Promise<SeaworthyError>;
  readonly helloMs: number;
}

/** What comes unasked. */
export interface ConnectionListener {
  event(event: EngineEvent): void;
  owner(owner: 'this-tab' | 'other-tab'): void;
  /** A worker was started in place of another: what it knew by heart must be said again. */
  restarted(): void;
  /** The connection is of no more use. */
  failed(error: SeaworthyError): void;
}

interface Waiting {
  readonly body: RequestBody;
  readonly resolve: (answer: Answers[Op]) => void;
  readonly reject: (error: unknown) => void;
  crashes: number;
}

/** What an open transaction needs in order to end. */
const IN_TRANSACTION: ReadonlySet<Op> = new Set(['step', 'commit', 'rollback', 'close']);
const ACKNOWLEDGE_MS = 1000;
/** A request that killed so many workers is not sent again. */
const MAX_CRASHES = 2;
const MAX_RESTARTS = 5;
const RESTART_WINDOW_MS = 30_000;

/**
 * The page's end of the worker. Requests that were under way when a worker went are sent to the next one: reads are run
 * again, writes are answered from their request id if they were committed.
 */
export class Connection {
  readonly #source: WorkerSource;
  #options: OpenRequest;
  readonly #listener: ConnectionListener;
  readonly #waiting = new Map<number, Waiting>();
  readonly #received: string[] = [];
  /** What is asked while one request has the worker to itself. */
  #held: Map<number, Waiting> | null = null;
  #quiet: (() => void) | undefined;
  #acknowledging: ReturnType<typeof setTimeout> | undefined;
  #hello: ReturnType<typeof setTimeout> | undefined;
  #worker: WorkerPort | null = null;
  #starts = 0;
  #nextId = 1;
  #restarts: number[] = [];
  #failure: SeaworthyError | null = null;

  constructor(source: WorkerSource, options: OpenRequest, listener: ConnectionListener) {
    this.#source = source;
    this.#options = options;
    this.#listener = listener;
  }

  /** Opens the database. Resolves when this tab owns it and it is open. */
  open(): Promise<Answers['open']> {
    const opened = this.call({ op: 'open', options: this.#options });
    this.start();
    return opened;
  }

  /** Starts a worker, unless one runs, and sends what is unanswered. */
  start(): void {
    if (this.#worker || this.#failure) return;
    this.#starts++;
    try {
      this.#worker = this.#source.start();
    } catch {
      void this.#diagnose(this.#starts);
      return;
    }
    this.#listen(this.#worker, this.#starts);
    const unanswered = [...this.#waiting];
    this.#waiting.clear();
    const opening = unanswered.find(([, { body }]) => body.op === 'open');
    if (opening) this.#repeat(...opening);
    else this.#ask({ op: 'open', options: this.#options }, this.#waiting).catch(() => {});
    for (const [id, waiting] of unanswered) if (waiting.body.op !== 'open') this.#repeat(id, waiting);
    if (this.#starts > 1) this.#listener.restarted();
  }

  /** What the next worker is told about the network. */
  setOnline(online: boolean): void {
    this.#options = { ...this.#options, online };
  }

  /** Ends the worker at once. Commits are in the file, so nothing is lost; what is unanswered waits for the next start. */
  stop(): void {
    clearTimeout(this.#hello);
    this.#worker?.terminate();
    this.#worker = null;
  }

  /** Ends the worker for good; what is unanswered fails. */
  end(error: SeaworthyError): void {
    this.stop();
    clearTimeout(this.#acknowledging);
    this.#failure = error;
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
    if (this.#held) throw new NotAllowed('The user is being switched already. Await the first call.');
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
      if (this.#failure) return reject(this.#failure);
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
    const request: Request = { ...body, id };
    this.#worker?.postMessage(request);
  }

  /** Sends what another worker left unanswered. A statement of an interactive transaction cannot be repeated: its transaction is gone. */
  #repeat(id: number, waiting: Waiting): void {
    if (waiting.body.op === 'step' || waiting.body.op === 'rollback') {
      waiting.reject(new LeaderLost('The worker that ran this transaction went away, and nothing of it was written. Run it again.'));
      return;
    }
    this.#waiting.set(id, waiting);
    this.#send(id, waiting.body);
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
      if (data.type === 'hello') {
        greeted = true;
        clearTimeout(this.#hello);
      } else this.#receive(data);
    });
  }

  #receive(message: Exclude<WorkerMessage, { type: 'hello' }>): void {
    if (message.type === 'ok' || message.type === 'failed') this.#settle(message);
    else if (message.type === 'owner') this.#listener.owner(message.owner);
    else if (message.type === 'crashed') this.#crashed(message.id, message.message);
    else this.#listener.event(message);
  }

  #settle(response: Response): void {
    const waiting = this.#waiting.get(response.id);
    if (!waiting) return;
    this.#waiting.delete(response.id);
    if (this.#waiting.size === 0) this.#quiet?.();
    if (response.type === 'failed') {
      const error = errorFromWire(response.error);
      waiting.reject(error);
      if (waiting.body.op === 'open') this.#fail(error, false);
      return;
    }
    if ('request' in waiting.body) this.#acknowledge(waiting.body.request);
    waiting.resolve(response.answer);
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
    const guilty = id === null ? undefined : this.#waiting.get(id);
    if (guilty && ++guilty.crashes >= MAX_CRASHES && id !== null) {
      this.#waiting.delete(id);
      guilty.reject(new WorkerFailed(`The database's worker stopped twice while it ran this call (${message}). It was not run again.`, 'crashed'));
    }
    const now = performance.now();
    this.#restarts = [...this.#restarts.filter((at) => now - at < RESTART_WINDOW_MS), now];
    if (this.#restarts.length > MAX_RESTARTS) {
      this.#fail(new WorkerFailed(`The database's worker stopped ${MAX_RESTARTS} times in a row (${message}). Reload the page.`, 'crashed'), true);
      return;
    }
    this.start();
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
