/** What a worker says to the broker. */
export type BrokerRequest =
  /** The database of this name is served by who says this. */
  | { readonly type: 'serve'; readonly name: string }
  /** The port that comes with it is meant for who serves that database. */
  | { readonly type: 'connect'; readonly name: string; readonly client: string; readonly release: number };

/** What the broker says to a worker. */
export type BrokerMessage =
  | { readonly type: 'hello' }
  /** The port was handed on, or nobody serves the database. */
  | { readonly type: 'connected'; readonly client: string; readonly served: boolean }
  /** The port that comes with it leads to that client. */
  | { readonly type: 'connect'; readonly name: string; readonly client: string; readonly release: number };

/**
 * Hands ports from the workers of tabs to the one that serves a database, so that they speak directly afterwards. Runs in a
 * SharedWorker, since workers of different pages can give ports to each other in no other way.
 */
export class Broker {
  readonly #serving = new Map<string, MessagePort>();

  /** Takes a port to a worker. */
  accept(port: MessagePort): void {
    port.onmessage = ({ data, ports }: MessageEvent<BrokerRequest>) => this.#receive(port, data, ports);
    say(port, { type: 'hello' });
  }

  #receive(from: MessagePort, request: BrokerRequest, ports: readonly MessagePort[]): void {
    if (request.type === 'serve') {
      this.#serving.set(request.name, from);
      return;
    }
    const { name, client, release } = request;
    const owner = this.#serving.get(name);
    if (owner) say(owner, { type: 'connect', name, client, release }, ports);
    say(from, { type: 'connected', client, served: owner !== undefined });
  }
}

function say(port: MessagePort, message: BrokerMessage, ports: readonly MessagePort[] = []): void {
  port.postMessage(message, [...ports]);
}
