import type { Request, WorkerMessage } from '../messages.js';
import { uuid } from '../uuid.js';
import type { BrokerMessage, BrokerRequest } from './broker.js';
import { databaseTopic } from './locks.js';

/**
 * Raised when messages between tabs, or the store's format, change so that two releases cannot work with one another. Only
 * `Announcement` and the messages `connected` and `outdated` are understood by every release.
 */
export const RELEASE: number = 1;

/** What the owner of a database and the workers of other tabs say on its channel. */
export type Announcement =
  /** Who says this owns the database from now on: everyone connects anew. */
  | { readonly type: 'owner' }
  /** The owner is asked for a link of its own. */
  | { readonly type: 'connect'; readonly client: string; readonly link: string; readonly release: number };

/** What a follower says to the owner over their link. */
export type Upward =
  | { readonly type: 'request'; readonly request: Request }
  | { readonly type: 'visible'; readonly visible: boolean }
  | { readonly type: 'ping' }
  | { readonly type: 'leave' };

/** What the owner says to a follower over their link. */
export type Downward =
  | { readonly type: 'connected' }
  | { readonly type: 'pong' }
  /** The owner is of a newer release and cannot serve this one. */
  | { readonly type: 'outdated' }
  /** A message for the follower's page. */
  | { readonly type: 'page'; readonly message: WorkerMessage };

/** A link between two workers. */
export type Link = MessagePort | BroadcastChannel;

/** What comes unasked on the channel of a database. */
export interface ChannelListener {
  /** Another worker owns the database. */
  owned(): void;
  /** A follower wants to be served over a link. Called only while this worker serves. */
  asked(client: string, release: number, link: Link): void;
}

/** How long the broker, and an owner behind it, may take until BroadcastChannel does its work. */
const BROKER_MS = 200;

/**
 * Where the workers of a database in several tabs find each other. Links are ports that a SharedWorker hands over; where there
 * is none they are BroadcastChannels, which are slower.
 */
export class Channel {
  readonly #name: string;
  readonly #topic: BroadcastChannel;
  readonly #listener: ChannelListener;
  readonly #asked = new Map<string, (served: boolean) => void>();
  readonly #greeted: Promise<MessagePort | null>;
  #serving = false;

  constructor(name: string, broker: MessagePort | null, listener: ChannelListener) {
    this.#name = name;
    this.#listener = listener;
    this.#topic = new BroadcastChannel(databaseTopic(name));
    this.#topic.onmessage = ({ data }: MessageEvent<Announcement>) => this.#announced(data);
    this.#greeted = broker ? this.#greet(broker) : Promise.resolve(null);
  }

  /** Tells every tab that this worker owns the database, and takes their links. */
  serve(): void {
    this.#serving = true;
    void this.#greeted.then((broker) => {
      if (this.#serving) broker?.postMessage({ type: 'serve', name: this.#name } satisfies BrokerRequest);
    });
    this.#announce({ type: 'owner' });
  }

  /** Takes links no more. */
  retire(): void {
    this.#serving = false;
  }

  /** Asks the owner for a link. It says `connected` over it, unless there is no owner yet. `first` is what it has said already. */
  async connect(client: string): Promise<{ readonly link: Link; readonly first: Downward | null }> {
    const broker = await this.#greeted;
    if (broker) {
      const { port1, port2 } = new MessageChannel();
      const answered = new Promise<Downward | null>((resolve) => {
        this.#asked.set(client, (served) => served || resolve(null));
        port1.onmessage = ({ data }: MessageEvent<Downward>) => resolve(data);
      });
      broker.postMessage({ type: 'connect', name: this.#name, client, release: RELEASE } satisfies BrokerRequest, [port2]);
      // The broker may know one that has gone, where the owner knows another broker.
      const first = await within(BROKER_MS, answered, null);
      if (first) return { link: port1, first };
      port1.close();
    }
    const link = uuid();
    const port = new BroadcastChannel(link);
    this.#announce({ type: 'connect', client, link, release: RELEASE });
    return { link: port, first: null };
  }

  close(): void {
    this.retire();
    this.#topic.close();
  }

  #announce(announcement: Announcement): void {
    this.#topic.postMessage(announcement);
  }

  #announced(announcement: Announcement): void {
    if (announcement.type === 'owner') this.#listener.owned();
    else if (this.#serving) this.#listener.asked(announcement.client, announcement.release, new BroadcastChannel(announcement.link));
  }

  #greet(broker: MessagePort): Promise<MessagePort | null> {
    const greeted = new Promise<MessagePort>((resolve) => {
      broker.onmessage = ({ data, ports }: MessageEvent<BrokerMessage>) => {
        if (data.type === 'hello') resolve(broker);
        else if (data.type === 'connected') this.#asked.get(data.client)?.(data.served);
        else if (this.#serving && data.name === this.#name && ports[0]) this.#listener.asked(data.client, data.release, ports[0]);
      };
    });
    return within(BROKER_MS, greeted, null);
  }
}

function within<T>(ms: number, work: Promise<T>, otherwise: T): Promise<T> {
  return Promise.race([work, new Promise<T>((resolve) => setTimeout(() => resolve(otherwise), ms))]);
}
