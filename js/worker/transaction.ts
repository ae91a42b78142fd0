import { Failure } from './failure.js';

/** How long an interactive transaction may be idle, and open in all. */
export interface Limits {
  readonly idleMs: number;
  readonly totalMs: number;
}

/** The one interactive transaction that is open, with its clocks. */
export class InteractiveTransaction {
  readonly id: string;
  /** Whose it is. */
  readonly client: string;
  readonly #limits: Limits;
  readonly #onTimeout: (limit: string) => void;
  readonly #total: ReturnType<typeof setTimeout>;
  #idle: ReturnType<typeof setTimeout>;

  constructor(id: string, client: string, limits: Limits, onTimeout: (limit: string) => void) {
    this.id = id;
    this.client = client;
    this.#limits = limits;
    this.#onTimeout = onTimeout;
    this.#total = setTimeout(() => onTimeout(`open for ${limits.totalMs} ms`), limits.totalMs);
    this.#idle = this.#startIdle();
  }

  /** A statement ran: it is idle from now on. */
  touch(): void {
    clearTimeout(this.#idle);
    this.#idle = this.#startIdle();
  }

  /** It ended. */
  stop(): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
  }

  #startIdle(): ReturnType<typeof setTimeout> {
    return setTimeout(() => this.#onTimeout(`idle for ${this.#limits.idleMs} ms`), this.#limits.idleMs);
  }
}

/** What every later call of a transaction that took too long is answered with. */
export function timedOut(limit: string, othersWait: boolean): Failure {
  const hint = othersWait
    ? 'Other calls were waiting for it: you used db inside db.transaction; use tx.'
    : 'Fetch and compute before you begin, or use db.batch.';
  return new Failure('TransactionTimeout', `The transaction was ${limit} and was rolled back. ${hint}`);
}
