// A host of files that sends whatever headers a test wants: a policy, or leave for other origins to read.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import path from 'node:path';

const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

export class Host {
  private constructor(
    private readonly server: Server,
    /** Where its files are, without a slash at the end. */
    readonly url: string,
  ) {}

  static async of(folder: string, headers: Readonly<Record<string, string>>): Promise<Host> {
    const server = createServer(async ({ url = '/' }, outgoing) => {
      const file = url === '/' ? 'index.html' : path.basename(url);
      const bytes = await readFile(path.join(folder, file)).catch(() => null);
      const type = TYPES[path.extname(file)] ?? 'text/plain';
      if (bytes) outgoing.writeHead(200, { 'content-type': type, ...headers }).end(bytes);
      else outgoing.writeHead(404).end();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no free port');
    return new Host(server, `http://127.0.0.1:${address.port}`);
  }

  async remove(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
