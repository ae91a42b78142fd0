// A proxy that speaks plain HTTP and refuses every upgrade, as those of some companies do.

import { once } from 'node:events';
import { createServer, request, type Server } from 'node:http';

export class UpgradeRefuser {
  /** How many upgrades were refused. */
  refused = 0;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  static async before(target: number): Promise<UpgradeRefuser> {
    const server = createServer((incoming, outgoing) => {
      const { method, url, headers } = incoming;
      const onward = request({ host: '127.0.0.1', port: target, method, path: url, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      onward.on('error', () => outgoing.destroy());
      outgoing.on('close', () => onward.destroy());
      incoming.pipe(onward);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no free port');
    const proxy = new UpgradeRefuser(server, address.port);
    server.on('upgrade', (_request, socket) => {
      proxy.refused++;
      socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
    });
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async remove(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
