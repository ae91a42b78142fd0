// Somebody outside of the browser who remembers what it was told: no crash in the browser can take that back.

import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { text } from 'node:stream/consumers';
import { pause } from './server.js';

const PATIENCE_MS = 30_000;
const POLL_MS = 10;

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

  /** Waits until it was told something that fits, after `skip` others that do, and answers that. */
  async hears(fits: (told: string) => boolean, skip = 0, patienceMs = PATIENCE_MS): Promise<string> {
    const deadline = Date.now() + patienceMs;
    while (Date.now() < deadline) {
      const heard = this.told.filter(fits)[skip];
      if (heard !== undefined) return heard;
      await pause(POLL_MS);
    }
    throw new Error(`The witness waited ${patienceMs} ms, and was told ${this.told.length} things: ${this.told.slice(-3).join(' | ')}`);
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
