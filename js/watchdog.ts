/** After so long without a word the worker is asked whether it lives. */
const QUIET_MS = 10_000;
/** And after so long it is given up: nothing that a page should ask for runs that long in one piece. */
const SILENT_MS = 60_000;

/** What a watchdog watches. */
export interface Watched {
  /** Whether anything is unanswered. */
  isWaiting(): boolean;
  ping(): void;
  /** It has been silent for too long. */
  silent(): void;
}

/**
 * Finds a worker that does not answer its own page, which no event tells: one whose process hangs, or that runs without end.
 * While nothing is asked nothing is watched.
 */
export class Watchdog {
  readonly #watched: Watched;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #quiet = 0;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** Something was asked. */
  watch(): void {
    this.#timer ??= setTimeout(() => this.#look(), QUIET_MS);
  }

  /** The worker said something. */
  heard(): void {
    this.#quiet = 0;
  }

  /** There is no worker. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#quiet = 0;
  }

  /** Counts turns of a timer, not the clock, which jumps over the time that a page sleeps. */
  #look(): void {
    this.#timer = undefined;
    if (!this.#watched.isWaiting()) return;
    this.#quiet += QUIET_MS;
    if (this.#quiet > SILENT_MS) {
      this.#watched.silent();
      return;
    }
    this.#watched.ping();
    this.watch();
  }
}
