// A real server on a free port, with a database of its own in a temporary folder, that can be killed and started again.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const BINARY = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'debug/seaworthy-server');
const READY_WITHIN_MS = 20_000;
const STOP_WITHIN_MS = 10_000;

export interface ServerOptions {
  /** The folder that is served, from the project; the built demo unless told. */
  readonly www?: string;
  /** The folder of migrations, from the project; the demo's unless told. */
  readonly migrations?: string;
  /** The synchronised tables and the streams, as TOML; the lists and todos of an owner unless told. */
  readonly tables?: string;
}

const OWNED = '[tables.lists]\nowner = "owner_id"\n\n[tables.todos]\nowner = "owner_id"\n';

export class TestServer {
  private process: ChildProcess | null = null;
  private log = '';

  private constructor(
    readonly port: number,
    private readonly folder: string,
  ) {}

  /** Starts a server with an empty database. */
  static async start(options: ServerOptions = {}): Promise<TestServer> {
    const folder = await mkdtemp(path.join(tmpdir(), 'seaworthy-test-'));
    const server = new TestServer(await freePort(), folder);
    await writeFile(server.configuration, server.toml(options));
    await server.run();
    return server;
  }

  /** Starts the demo's: with its tables, streams and rules. */
  static async ofDemo(options: ServerOptions = {}): Promise<TestServer> {
    const demo = await readFile(path.join(ROOT, 'www/server/seaworthy.toml'), 'utf8');
    return TestServer.start({ ...options, tables: demo.slice(demo.indexOf('[tables.')) });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What it has printed, for a failed test. */
  get output(): string {
    return this.log;
  }

  /** Starts it again, on the same port and database. */
  async run(): Promise<void> {
    const child = spawn(BINARY, ['--config', this.configuration, '--dev'], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (this.log += text));
    let ended: string | null = null;
    child.on('error', (error) => (ended = error.message));
    child.on('exit', (code, signal) => (ended = `it ended with ${signal ?? code}`));
    const deadline = Date.now() + READY_WITHIN_MS;
    while (!(await this.isReady())) {
      if (ended !== null || Date.now() > deadline) throw new Error(`The server did not start (${ended ?? 'no answer from /healthz'}):\n${this.log}`);
      await pause(50);
    }
  }

  /** `kill -9`: nothing is said, nothing is flushed. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Ends it as an operator does. */
  async stop(): Promise<void> {
    await this.end('SIGTERM');
  }

  /** Ends it and removes its folder. */
  async remove(): Promise<void> {
    await this.end('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }

  private async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.process;
    this.process = null;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit', { signal: AbortSignal.timeout(STOP_WITHIN_MS) });
    child.kill(signal);
    await exited.catch(() => {
      throw new Error(`The server did not end within ${STOP_WITHIN_MS} ms of ${signal}:\n${this.log}`);
    });
  }

  private async isReady(): Promise<boolean> {
    const answer = await fetch(`${this.url}/healthz`).catch(() => null);
    return answer?.ok ?? false;
  }

  private get configuration(): string {
    return path.join(this.folder, 'seaworthy.toml');
  }

  private toml({ www = 'www/dist', migrations = 'www/server/migrations', tables = OWNED }: ServerOptions): string {
    const text = (value: string): string => JSON.stringify(value);
    return [
      `listen = "127.0.0.1:${this.port}"`,
      `database = ${text(path.join(this.folder, 'seaworthy.db'))}`,
      `migrations = ${text(path.resolve(ROOT, migrations))}`,
      `www = ${text(path.resolve(ROOT, www))}`,
      '',
      '[auth]',
      'issuer = "seaworthy-test"',
      'audience = "seaworthy-test"',
      'secret = "a secret of the tests, long enough for HS256"',
      '',
      tables,
    ].join('\n');
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A port that nobody listened to a moment ago. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('no free port');
  return address.port;
}
