import { type Downward, type Link, RELEASE, type Upward } from './channel.js';
import type { Client } from './client.js';
import type { Host } from './host.js';
import { clientLock, gone } from './locks.js';

/** The workers of other tabs that the owner of a database serves, each over a link. */
export class Followers {
  readonly #host: Host;
  readonly #locks: LockManager;
  readonly #changed: () => void;
  readonly #clients = new Map<string, Client>();
  readonly #links = new Set<Link>();
  #isServing = true;

  /** `changed` is called when one is gone, or is seen or hidden. */
  constructor(host: Host, locks: LockManager, changed: () => void) {
    this.#host = host;
    this.#locks = locks;
    this.#changed = changed;
  }

  /** Whether a person can see one of them. */
  get isSeen(): boolean {
    return [...this.#clients.values()].some(({ visible }) => visible);
  }

  /** Takes a link that a worker asked for. One of a newer release shall own the database, one of an older is not served. */
  accept(id: string, release: number, link: Link): void {
    const send = (message: Downward): void => link.postMessage(message);
    if (release > RELEASE) this.#host.yield();
    else if (release < RELEASE) {
      send({ type: 'outdated' });
      link.close();
    } else this.#serve({ id, visible: this.#clients.get(id)?.visible ?? false, send: (message) => send({ type: 'page', message }) }, link, send);
  }

  /** Serves them no more. */
  leave(): void {
    this.#isServing = false;
    for (const link of this.#links) link.close();
  }

  /** The database is deleted: tells everyone but who asked for it, and resolves when all are gone. */
  async end(asker: Client): Promise<void> {
    for (const client of this.#clients.values()) if (client !== asker) client.send({ type: 'deleted' });
    await Promise.all([...this.#clients.keys()].map((id) => gone(this.#locks, clientLock(id))));
  }

  #serve(client: Client, link: Link, send: (message: Downward) => void): void {
    const former = this.#clients.get(client.id);
    if (former) {
      this.#dismiss(former);
      // It asked twice, since this worker was busy. Should it use the other link, it opens the database anew over that.
      former.send({ type: 'moved' });
    }
    this.#clients.set(client.id, client);
    this.#links.add(link);
    link.onmessage = ({ data }: MessageEvent<Upward>) => {
      if (!this.#isServing) return;
      switch (data.type) {
        case 'request':
          this.#clients.set(client.id, client);
          this.#host.receive(client, data.request);
          return;
        case 'ping':
          send({ type: 'pong' });
          return;
        case 'visible':
          client.visible = data.visible;
          this.#changed();
          return;
        case 'leave':
          this.#dismiss(client);
      }
    };
    void gone(this.#locks, clientLock(client.id)).then(() => {
      link.close();
      this.#links.delete(link);
      this.#dismiss(client);
      this.#changed();
    });
    send({ type: 'connected' });
  }

  #dismiss(client: Client): void {
    if (this.#clients.get(client.id) === client) this.#clients.delete(client.id);
    if (this.#isServing) this.#host.detach(client);
  }
}
