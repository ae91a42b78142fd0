import type { RequestOf } from '../messages.js';
import type { Client } from './client.js';

/** A write as it came from a page. */
export interface GroupedWrite {
  readonly client: Client;
  readonly request: RequestOf<'write'> & { readonly id: number };
}

/** Has something run a little later. */
export type Later = (run: () => void) => void;

/** Nobody waits for more writes than these before the first is answered. */
const MOST_WRITES = 256;

/**
 * Gathers writes that come at once, so that they share one write to the file. The first one is written at once, for whoever awaits
 * it. Those that come meanwhile wait until the messages that had come with them are read, or until `flush` is called: before
 * anything else runs.
 */
export class WriteGroup {
  readonly #write: (writes: readonly GroupedWrite[]) => void;
  readonly #later: Later;
  #waiting: GroupedWrite[] = [];
  /** The messages that had come with the last one are not read yet. */
  #isGathering = false;

  constructor(write: (writes: readonly GroupedWrite[]) => void, later: Later) {
    this.#write = write;
    this.#later = later;
  }

  add(write: GroupedWrite): void {
    this.#waiting.push(write);
    if (this.#isGathering && this.#waiting.length < MOST_WRITES) return;
    this.flush();
    this.#gather();
  }

  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#later(() => {
      this.#isGathering = false;
      if (this.#waiting.length === 0) return;
      this.flush();
      this.#gather();
    });
  }

  flush(): void {
    if (this.#waiting.length === 0) return;
    const writes = this.#waiting;
    this.#waiting = [];
    this.#write(writes);
  }

  /** Forgets what waits, of one page or of all; whoever asked will ask another worker. */
  drop(client?: Client): void {
    this.#waiting = client ? this.#waiting.filter((write) => write.client !== client) : [];
  }
}

/** Runs things behind the messages that have come already. A timer would wait for milliseconds. */
export function behindMessages(): Later {
  let channel: MessageChannel | undefined;
  const waiting: (() => void)[] = [];
  return (run) => {
    if (!channel) {
      channel = new MessageChannel();
      channel.port1.onmessage = () => waiting.shift()?.();
    }
    waiting.push(run);
    channel.port2.postMessage(null);
  };
}
