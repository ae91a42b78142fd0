/// <reference lib="esnext.disposable" preserve="true" />

import { Closed, type SeaworthyError, StreamRefused } from './errors.js';
import { Snapshot } from './snapshot.js';
import type { SqlValue } from './value.js';

/**
 * How much of a stream is here.
 * @example
 * const bar = ({ rows, fraction }: StreamStatus) => `${rows} rows, ${Math.round(fraction * 100)} %`;
 */
export interface StreamStatus {
  /** Everything that the user may see of it is on this device, and follows the server while there is a connection. */
  readonly ready: boolean;
  /** Whether the server gives this user any part of it; `false` too while it is not known. It becomes `false` when permission is lost. */
  readonly granted: boolean;
  /** Rows that are here. */
  readonly rows: number;
  /** How much of it is here, from 0 to 1. */
  readonly fraction: number;
  /** Why the server does not give it. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

/**
 * A stream, as `db.streams` lists it.
 * @example
 * const names = db.streams.getSnapshot().all.map(({ name }: StreamInfo) => name);
 */
export interface StreamInfo extends StreamStatus {
  readonly name: string;
  readonly params: Readonly<Record<string, SqlValue>>;
  /** Whether it is there without being asked for. */
  readonly auto: boolean;
}

/**
 * All streams of a database, and how much of them is here.
 * @example
 * db.streams.subscribe(({ ready, fraction }: Streams) => { bar.hidden = ready; bar.value = fraction; });
 */
export interface Streams {
  readonly all: readonly StreamInfo[];
  /** Whether all of them are. */
  readonly ready: boolean;
  /** Rows that are here. A row of two streams counts twice. */
  readonly rows: number;
  /** From 0 to 1. */
  readonly fraction: number;
}

/**
 * For how long the rows of a stream stay when it is released.
 * @example
 * stream.release({ keepFor: '7d' });
 */
export interface ReleaseOptions {
  /** Milliseconds, or a number with `s`, `m`, `h` or `d`. Without it they go at once, but for those that another stream holds. It is looked at every minute. */
  readonly keepFor?: number | `${number}${'s' | 'm' | 'h' | 'd'}`;
}

/** What is known of a stream that the server has said nothing of. */
export const UNKNOWN: StreamStatus = { ready: false, granted: false, rows: 0, fraction: 0, error: null };

/** A stream that this page subscribes to, with all its handles. */
export class Subscription extends Snapshot<StreamStatus> {
  readonly #waiting = new Set<{ readonly resolve: () => void; readonly reject: (error: SeaworthyError) => void }>();
  #failure: SeaworthyError | null = null;
  handles = 0;
  keepMs = 0;

  constructor(readonly name: string) {
    super(UNKNOWN);
  }

  /** Takes over what the server says. */
  note(status: StreamStatus): void {
    this.update(status);
    this.#settle();
  }

  /** It will never be ready. */
  end(error: SeaworthyError): void {
    this.#failure = error;
    this.#settle();
  }

  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.add({ resolve, reject });
      this.#settle();
    });
  }

  #settle(): void {
    const { ready, error } = this.getSnapshot();
    const failure = this.#failure ?? (error && new StreamRefused(`The server does not give the stream ${this.name}: ${error.message}`, error.code));
    if (!ready && !failure) return;
    for (const waiting of this.#waiting) {
      if (failure) waiting.reject(failure);
      else waiting.resolve();
    }
    this.#waiting.clear();
  }
}

/**
 * A subscription to a stream. Get one from `db.stream(…)`; its rows are in the tables, and live queries show them.
 * @example
 * const stream = db.stream('list_todos', { list_id });
 * await stream.ready;
 */
export class Stream implements Disposable {
  /** `using stream = db.stream(…)` releases it, where the platform has it. */
  declare readonly [Symbol.dispose]: () => void;
  readonly #subscription: Subscription;
  readonly #released: (keepMs: number) => void;
  #ready: Promise<void> | null = null;
  #isReleased = false;

  /** @internal */
  constructor(
    subscription: Subscription,
    /** Its name in the server's configuration. */
    readonly name: string,
    /** The parameters that it was asked for with. */
    readonly params: Readonly<Record<string, SqlValue>>,
    released: (keepMs: number) => void,
  ) {
    this.#subscription = subscription;
    this.#released = released;
  }

  /**
   * Resolves when everything that the user may see of it is on this device, at once if it was before, also offline. Rejects with
   * `StreamRefused` when the server has no such stream or it takes other parameters.
   * @example
   * await db.stream('list_todos', { list_id }).ready;
   */
  get ready(): Promise<void> {
    this.#ready ??= this.#isReleased ? Promise.reject(released(this.name)) : this.#subscription.ready();
    // Whoever does not ask does not miss it: the status says it too.
    this.#ready.catch(() => {});
    return this.#ready;
  }

  /**
   * How much of it is here now.
   * @example
   * progress.value = stream.progress.fraction;
   */
  get progress(): StreamStatus {
    return this.#subscription.getSnapshot();
  }

  /**
   * Calls back with how much of it is here, at once and whenever that changes.
   * @example
   * const stop = stream.subscribe(({ granted, ready }) => { if (ready && !granted) leaveList(); });
   */
  subscribe(listener: (status: StreamStatus) => void, options: { readonly signal?: AbortSignal } = {}): () => void {
    return this.#subscription.subscribe(listener, options);
  }

  /**
   * Gives it back. When no handle is left in any tab, its rows leave this device, now or after `keepFor`. A page that is closed
   * without it keeps them for a day.
   * @example
   * list.release({ keepFor: '1d' });
   */
  release({ keepFor = 0 }: ReleaseOptions = {}): void {
    if (this.#isReleased) return;
    const keepMs = milliseconds(keepFor);
    this.#isReleased = true;
    this.#released(keepMs);
  }
}

// Older browsers have no such symbol.
if (Symbol.dispose) {
  Object.defineProperty(Stream.prototype, Symbol.dispose, {
    value(this: Stream): void {
      this.release();
    },
  });
}

function released(name: string): Closed {
  return new Closed(`The stream ${name} was released. Call db.stream() again.`);
}

const UNITS = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

function milliseconds(duration: number | string): number {
  const match = typeof duration === 'string' ? /^(\d+(?:\.\d+)?)([smhd])$/.exec(duration) : null;
  const ms = match ? Number(match[1]) * UNITS[match[2] as keyof typeof UNITS] : Number(duration);
  if (!Number.isFinite(ms) || ms < 0)
    throw new RangeError(`keepFor is ${JSON.stringify(duration)}. Write milliseconds, or a number with s, m, h or d, such as '1d'.`);
  return ms;
}
