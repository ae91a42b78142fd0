import type { WorkerMessage } from '../messages.js';

/** A page that is served, over this worker or over a link. */
export interface Client {
  /** Names its worker. */
  readonly id: string;
  /** Whether a person can see it. */
  visible: boolean;
  /** Sends a message to the page. */
  send(message: WorkerMessage): void;
}
