import type { EngineEvent, StreamMessage, WorkerMessage } from '../messages.js';
import type { Watch } from './calls.js';
import type { Client } from './client.js';
import { TokenDemand } from './token-demand.js';

/** The pages that have the database open, and hear what its engine says. */
export class Audience {
  readonly #clients = new Map<string, Client>();
  readonly #token = new TokenDemand();
  /** What the engine said before there was a page to hear it. */
  readonly #unheard: EngineEvent[] = [];

  has(client: Client): boolean {
    return this.#clients.get(client.id) === client;
  }

  /** The page's client of that id. */
  get(id: string): Client | undefined {
    return this.#clients.get(id);
  }

  all(): readonly Client[] {
    return [...this.#clients.values()];
  }

  add(client: Client, streams: readonly StreamMessage[]): void {
    this.#clients.set(client.id, client);
    client.send({ type: 'streams', streams });
    for (const event of this.#unheard.splice(0)) this.hear(event);
  }

  remove({ id }: Client): void {
    this.#clients.delete(id);
  }

  broadcast(message: WorkerMessage): void {
    for (const client of this.all()) client.send(message);
  }

  /** Passes on what the engine says: a result to who watches it, all else to all. A token is asked of one. */
  hear(event: EngineEvent, watchOf: (id: number) => Watch | undefined = () => undefined): void {
    if (event.type === 'live') {
      const watch = watchOf(event.id);
      if (watch) this.get(watch.client)?.send({ ...event, id: watch.live });
    } else if (event.type === 'need-token') {
      if (!this.#token.ask(this.all(), event, () => this.broadcast(event))) this.#unheard.push(event);
    } else if (this.#clients.size > 0) {
      this.broadcast(event);
    } else if (event.type !== 'status' && event.type !== 'streams') {
      this.#unheard.push(event);
    }
  }

  /** The token that was asked for has come, or there will be none. */
  answered(): void {
    this.#token.answered();
  }
}
