// A piece of wire between a browser and the server that can be cut: every connection breaks, and none can be made.
// Or it holds back what the server says, as a very slow network does.

import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

export class Wire {
  private readonly sockets = new Set<Socket>();
  private readonly answers = new Map<Socket, Socket>();
  private cut = false;
  private held = false;

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

  /** Keeps what the server says from arriving. */
  hold(): void {
    this.held = true;
    for (const [far, near] of this.answers) far.unpipe(near);
  }

  /** Lets all of it arrive. */
  release(): void {
    this.held = false;
    for (const [far, near] of this.answers) far.pipe(near);
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
        this.answers.delete(far);
        other.destroy();
      });
    }
    this.answers.set(far, near);
    near.pipe(far);
    if (!this.held) far.pipe(near);
  }
}
