// The third engine: WebKitGTK's MiniBrowser on a virtual screen. By WebDriver, plain over HTTP, its storage is that of a private
// window; without it a person's profile lies in a folder, and the page must speak for itself.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
// @ts-expect-error a plain JavaScript module of the build
import { need } from '../../scripts/browsers.mjs';
import { type Profile, type TestBrowser, TestTab } from './harness.js';
import { freePort, pause } from './server.js';

const READY_WITHIN_MS = 20_000;
const SCRIPT_TIMEOUT_MS = 60_000;
const STOP_WITHIN_MS = 5000;

/** A screen that nobody looks at. */
export class Screen {
  private constructor(
    private readonly process: ChildProcess,
    private readonly display: string,
  ) {}

  static async start(): Promise<Screen> {
    const args = ['-displayfd', '3', '-screen', '0', '1100x760x24', '-nolisten', 'tcp'];
    const child = spawn(need('xvfb'), args, { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] });
    const [number] = await once(child.stdio[3] as NodeJS.ReadableStream, 'data', { signal: AbortSignal.timeout(READY_WITHIN_MS) });
    return new Screen(child, `:${String(number).trim()}`);
  }

  /** What a program needs to be shown on it, with its files in a folder. */
  environment(home: string): NodeJS.ProcessEnv {
    const folders = { HOME: home, XDG_DATA_HOME: `${home}/data`, XDG_CACHE_HOME: `${home}/cache`, XDG_CONFIG_HOME: `${home}/config` };
    // The sandbox of the renderer needs what a container does not give.
    return { ...process.env, ...folders, DISPLAY: this.display, WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS: '1', LIBGL_ALWAYS_SOFTWARE: '1' };
  }

  async remove(): Promise<void> {
    await end(this.process, 'SIGTERM');
  }
}

/** The browser as a person has it: its profile is in a folder, and it can be killed. */
export class MiniBrowser {
  private constructor(private readonly process: ChildProcess) {}

  static start(screen: Screen, home: string, url: string, options: readonly string[] = []): MiniBrowser {
    // A group of its own: its renderer and its network process end with it.
    const child = spawn(need('minibrowser'), [...options, url], { env: screen.environment(home), stdio: 'ignore', detached: true });
    return new MiniBrowser(child);
  }

  /** `kill -9` of all its processes. */
  async kill(): Promise<void> {
    const exited = once(this.process, 'exit');
    if (this.process.pid !== undefined) process.kill(-this.process.pid, 'SIGKILL');
    await exited;
  }
}

/** Starts WebKit as a browser of the harness. Each profile is a browser of its own. */
export async function launchWebKit(): Promise<TestBrowser> {
  const screen = await Screen.start();
  const sessions = new Set<Session>();
  return {
    name: 'webkit',
    profile: async () => {
      const session = await Session.start(screen);
      sessions.add(session);
      return session;
    },
    close: async () => {
      await Promise.all([...sessions].map((session) => session.close()));
      await screen.remove();
    },
  };
}

/** One browser with its driver. */
class Session implements Profile {
  private turn: Promise<unknown> = Promise.resolve();
  private fresh = true;
  private closed = false;

  private constructor(
    private readonly driver: ChildProcess,
    private readonly home: string,
    private readonly url: string,
  ) {}

  static async start(screen: Screen): Promise<Session> {
    const [home, port] = await Promise.all([mkdtemp(path.join(tmpdir(), 'seaworthy-webkit-')), freePort()]);
    const driver = spawn(need('webkitdriver'), [`--port=${port}`], { env: screen.environment(home), stdio: 'ignore' });
    const base = `http://127.0.0.1:${port}`;
    const deadline = Date.now() + READY_WITHIN_MS;
    while (!(await fetch(`${base}/status`).catch(() => null))?.ok) {
      if (Date.now() > deadline) throw new Error('WebKitWebDriver does not answer.');
      await pause(30);
    }
    const browser = { binary: need('minibrowser'), args: ['--automation'] };
    const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': browser, timeouts: { script: SCRIPT_TIMEOUT_MS } } };
    const { sessionId } = await send<{ sessionId: string }>('POST', `${base}/session`, { capabilities });
    return new Session(driver, home, `${base}/session/${sessionId}`);
  }

  async page(): Promise<TestTab> {
    const [first] = await this.ask<string[]>('GET', 'window/handles');
    if (first === undefined) throw new Error('WebKit has no window any more.');
    const another = (): Promise<{ handle: string }> => this.ask('POST', 'window/new', { type: 'tab' });
    const handle = this.fresh ? first : (await this.inTab(first, another)).handle;
    this.fresh = false;
    return new TestTab({
      goto: (url) => this.inTab(handle, () => this.ask('POST', 'url', { url })),
      reload: () => this.inTab(handle, () => this.ask('POST', 'refresh', {})),
      evaluate: (run, argument) => this.inTab(handle, () => this.evaluate(String(run), argument)),
      close: () => this.inTab(handle, () => this.ask('DELETE', 'window')),
    });
  }

  setOffline(): Promise<void> {
    return Promise.reject(new Error('WebKit has no emulation of a network that is away: use a Wire.'));
  }

  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    await send('DELETE', this.url).catch(() => {});
    await end(this.driver, 'SIGTERM');
    await rm(this.home, { recursive: true, force: true });
  }

  /** Runs commands in one tab: the driver has one current window, so another tab waits. */
  private inTab<R>(handle: string, work: () => Promise<R>): Promise<R> {
    const done = this.turn.then(async () => {
      await this.ask('POST', 'window', { handle });
      return work();
    });
    this.turn = done.catch(() => {});
    return done;
  }

  private async evaluate<R>(run: string, argument: unknown): Promise<R> {
    const script = `
      const done = arguments[arguments.length - 1];
      const run = async () => (${run})(arguments[0]);
      run().then((value) => done({ value }), (error) => done({ error: String(error?.stack ? error + '\\n' + error.stack : error) }));`;
    const answer = await this.ask<{ value?: R; error?: string }>('POST', 'execute/async', { script, args: argument === undefined ? [] : [argument] });
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value as R;
  }

  private ask<R>(method: string, command: string, body?: unknown): Promise<R> {
    return send<R>(method, `${this.url}/${command}`, body);
  }
}

async function send<R>(method: string, url: string, body?: unknown): Promise<R> {
  const response = await fetch(url, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
  const { value } = (await response.json()) as { value: R & { error?: string; message?: string } };
  if (!response.ok) throw new Error(`WebKit: ${value.error}: ${value.message}`);
  return value;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit', { signal: AbortSignal.timeout(STOP_WITHIN_MS) });
  child.kill(signal);
  await exited.catch(() => child.kill('SIGKILL'));
}
