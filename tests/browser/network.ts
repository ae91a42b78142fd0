// A piece of wire between a browser and the server that can be cut: every connection breaks, and none can be made.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Wire {
  private readonly sockets = new Set<Socket>();
  private cut = false;

  private constructor(
    private readonly server: Server,
    readonly port: number,
  ) {}

  /** Leads from a port of its own to `target`. */
  static async to(target: number): Promise<Wire> {
    const server = createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no free port');
    const wire = new Wire(server, address.port);
    server.on('connection', (near) => wire.join(near, target));
    return wire;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Breaks what is open, and every new connection. */
  break(): void {
    this.cut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Lets connections through again. */
  mend(): void {
    this.cut = false;
  }

  async remove(): Promise<void> {
    this.break();
    this.server.close();
    await once(this.server, 'close');
  }

  private join(near: Socket, target: number): void {
    if (this.cut) {
      near.destroy();
      return;
    }
    const far = connect(target, '127.0.0.1');
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      this.sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        this.sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}
