// A browser as somebody has it installed: with a profile on disk, on which it starts again after it was killed. Chromium behaves
// in it as it does for people: pages are hidden, throttled, frozen and kept in the back-forward cache.

import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import puppeteer, { type Browser, type CDPSession, type Protocol, type Page as PuppeteerPage } from 'puppeteer-core';
// @ts-expect-error a plain JavaScript module of the build
import { chromiumArgs, need } from '../../scripts/browsers.mjs';
import { type BrowserName, type Front, puppeteerPage, type TestPage } from './harness.js';
import { pause } from './server.js';

/** What puppeteer switches off in Chromium, and people have. */
const NOT_AS_PEOPLE_HAVE_IT = [
  '--disable-back-forward-cache',
  '--disable-background-timer-throttling',
  '--disable-renderer-backgrounding',
  '--disable-backgrounding-occluded-windows',
];
/** What a killed browser leaves in its profile to say that it runs. */
const LEFT_BEHIND = /^(Singleton.*|lock|\.parentlock)$/;
const ANSWER_WITHIN_MS = 30_000;
const DIE_WITHIN_MS = 5000;

export class InstalledBrowser {
  private front: Front = { page: null };

  private constructor(
    readonly name: BrowserName,
    private readonly folder: string,
    private browser: Browser,
  ) {}

  /** Starts it with a profile that has nothing in it. */
  static async start(name: BrowserName): Promise<InstalledBrowser> {
    const folder = await mkdtemp(path.join(tmpdir(), `seaworthy-${name}-`));
    return new InstalledBrowser(name, folder, await startOn(name, folder));
  }

  /** A new tab, in front. */
  async tab(): Promise<Tab> {
    const page = await this.browser.newPage();
    this.front.page = page;
    return new Tab(puppeteerPage(page, this.front), page, this.front);
  }

  /** Its process. */
  get pid(): number {
    const pid = this.browser.process()?.pid;
    if (pid === undefined) throw new Error(`${this.name} runs no longer.`);
    return pid;
  }

  /** The processes that hold its pages. */
  async renderers(): Promise<number[]> {
    if (this.name === 'firefox') return firefoxProcesses(this.pid, 'tab');
    return (await this.chromiumProcesses()).filter(({ type }) => type === 'renderer').map(({ id }) => id);
  }

  /** All of its processes. */
  async processes(): Promise<number[]> {
    if (this.name === 'firefox') return [this.pid, ...(await firefoxProcesses(this.pid))];
    return (await this.chromiumProcesses()).map(({ id }) => id);
  }

  private async chromiumProcesses(): Promise<Protocol.SystemInfo.ProcessInfo[]> {
    const session = await this.browser.target().createCDPSession();
    const { processInfo } = await session.send('SystemInfo.getProcessInfo');
    await session.detach();
    return processInfo;
  }

  /** `kill -9` of the whole browser. */
  async kill(): Promise<void> {
    const killed = this.browser.process();
    if (!killed?.pid) throw new Error(`${this.name} runs no longer.`);
    const ended = once(killed, 'exit');
    process.kill(killed.pid, 'SIGKILL');
    const [, signal] = await ended;
    if (signal !== 'SIGKILL') throw new Error(`${this.name} ended by itself (${signal}) before it was killed.`);
  }

  /** Starts it again on the same profile, after it was killed. */
  async startAgain(): Promise<void> {
    const left = (await readdir(this.folder)).filter((name) => LEFT_BEHIND.test(name));
    for (const name of left) await rm(path.join(this.folder, name), { force: true });
    this.browser = await startOn(this.name, this.folder);
    this.front = { page: null };
  }

  /** Ends it, and removes the profile. */
  async remove(): Promise<void> {
    if (isAlive(this.pid)) await this.browser.close();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}

/** A tab of an installed browser. */
export class Tab {
  constructor(
    /** What it shows, as all other tests use it. */
    readonly page: TestPage,
    private readonly puppet: PuppeteerPage,
    private readonly front: Front,
  ) {}

  async bringToFront(): Promise<void> {
    await this.puppet.bringToFront();
    this.front.page = this.puppet;
  }

  /** Goes back in its history, as the button does. */
  async back(): Promise<void> {
    await this.puppet.goBack();
  }

  /** How many workers its page has. */
  workers(): number {
    return this.puppet.workers().length;
  }

  /** What only Chromium's own protocol can say. */
  devtools(): Promise<CDPSession> {
    return this.puppet.createCDPSession();
  }

  /** Makes its page crash. Chromium only. */
  async crash(): Promise<void> {
    const session = await this.puppet.createCDPSession();
    const crashed = new Promise((resolve) => session.once('Inspector.targetCrashed', resolve));
    await session.send('Inspector.enable');
    // It never answers: what would, is gone.
    void session.send('Page.crash').catch(() => {});
    await crashed;
    await this.puppet.close();
  }

  /** Closes it without asking its page. */
  async close(): Promise<void> {
    await this.puppet.close();
  }
}

/** Kills a process, and waits until it is gone. */
export async function killProcess(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  for (let waited = 0; isAlive(pid) && waited < DIE_WITHIN_MS; waited += 10) await pause(10);
  if (isAlive(pid)) throw new Error(`The process ${pid} outlived SIGKILL.`);
}

/** Lets processes stand still for a while, as a machine does that sleeps. */
export async function sleepFor(pids: readonly number[], ms: number): Promise<void> {
  for (const pid of pids) process.kill(pid, 'SIGSTOP');
  try {
    await pause(ms);
  } finally {
    for (const pid of pids) process.kill(pid, 'SIGCONT');
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function startOn(name: BrowserName, userDataDir: string): Promise<Browser> {
  const common = { userDataDir, executablePath: need(name), headless: true, protocolTimeout: ANSWER_WITHIN_MS };
  if (name === 'chromium') return puppeteer.launch({ ...common, args: chromiumArgs, ignoreDefaultArgs: NOT_AS_PEOPLE_HAVE_IT });
  return puppeteer.launch({ ...common, browser: 'firefox', extraPrefsFirefox: { 'privacy.reduceTimerPrecision': false } });
}

/** Firefox says in the arguments of a process whose child it is, and last what it is for: pages are `tab`. */
async function firefoxProcesses(browser: number, kind?: string): Promise<number[]> {
  const all = (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number);
  const wanted = async (pid: number): Promise<boolean> => {
    const words = (await readFile(`/proc/${pid}/cmdline`, 'utf8')).split(/[\0 ]+/).filter(Boolean);
    return words[words.indexOf('-parentPid') + 1] === String(browser) && (kind === undefined || words.at(-1) === kind);
  };
  const found = await Promise.all(all.map((pid) => wanted(pid).catch(() => false)));
  return all.filter((_, nth) => found[nth]);
}
