/** How long the network waits when commits could not be stored: what it brings would not find room either. */
const PAUSE_MS = 10_000;

/** Keeps the network away until something could be stored, or for a while. */
export class NetworkPause {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #resume: (() => void) | null = null;

  begin(resume: () => void): void {
    this.stop();
    this.#resume = resume;
    this.#timer = setTimeout(() => this.end(), PAUSE_MS);
  }

  /** Lets the network come, if it is kept away. */
  end(): void {
    const resume = this.#resume;
    this.stop();
    resume?.();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#resume = null;
  }
}
