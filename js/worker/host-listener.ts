import type { Client } from './client.js';
import type { Rememberer } from './vanished.js';

/** What a host says to the worker that it runs in. */
export interface HostListener extends Rememberer {
  /** The wasm instance is dead. `client` asked for what it ran. */
  crashed(message: string, client: Client | null, request: number | null): void;
  /** The database was deleted: `answer` tells `client`, who asked for it, and everyone else is to end. */
  deleted(client: Client, answer: () => void): Promise<void>;
  /** The database is closed here and wants another owner. */
  yielded(): void;
}
