// Somebody outside of the browser who remembers what it was told: no crash in the browser can take that back.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';

export class Witness {
  /** The bodies that were posted, in the order of their coming, those that were cut off left out. */
  readonly told: string[] = [];

  private constructor(
    private readonly server: Server,
    private readonly port: number,
  ) {
    server.on('request', async (incoming, outgoing) => {
      const body = await text(incoming).catch(() => '');
      if (body !== '') this.told.push(body);
      outgoing.writeHead(204, { 'access-control-allow-origin': '*' }).end();
    });
  }

  static async start(): Promise<Witness> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no free port');
    return new Witness(server, address.port);
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`;
  }

  async remove(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
