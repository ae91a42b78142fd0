import type { RequestOf } from '../messages.js';
import type { Engine } from './engine.js';

/** What a page that went without a word subscribed to is kept for so long, so that a reload fetches nothing anew. */
const KEPT_MS = 24 * 60 * 60 * 1000;

interface Subscribed extends Pick<RequestOf<'stream'>, 'stream' | 'params'> {
  readonly clients: Set<string>;
}

/** Which tabs subscribe to which stream: the engine hears of the first that does, and of the last that does no more. */
export class Subscriptions {
  readonly #byKey = new Map<string, Subscribed>();

  add(engine: Engine, client: string, { key, stream, params }: RequestOf<'stream'>): null {
    const known = this.#byKey.get(key);
    if (!known) engine.subscribe(stream, params);
    const { clients } = known ?? this.#note(key, { stream, params, clients: new Set() });
    clients.add(client);
    return null;
  }

  /** `keepMs`: for how long the rows stay. */
  remove(engine: Engine, client: string, { key, keepMs }: RequestOf<'unstream'>): null {
    const subscribed = this.#byKey.get(key);
    if (!subscribed?.clients.delete(client) || subscribed.clients.size > 0) return null;
    this.#byKey.delete(key);
    engine.unsubscribe(subscribed.stream, subscribed.params, keepMs);
    return null;
  }

  /** A client is gone, or asks for everything anew. The engine hears of it with `settle`. */
  leave(client: string): void {
    for (const { clients } of this.#byKey.values()) clients.delete(client);
  }

  /** Ends what nobody subscribes to any more. Not while a transaction is open. */
  settle(engine: Engine): void {
    for (const [key, { stream, params, clients }] of [...this.#byKey]) {
      if (clients.size > 0) continue;
      this.#byKey.delete(key);
      engine.unsubscribe(stream, params, KEPT_MS);
    }
  }

  /** The engine is closed: what was subscribed to is kept by the next one. */
  close(): void {
    this.#byKey.clear();
  }

  #note(key: string, subscribed: Subscribed): Subscribed {
    this.#byKey.set(key, subscribed);
    return subscribed;
  }
}
