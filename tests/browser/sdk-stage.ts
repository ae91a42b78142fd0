// The stage of a test of the package: a server that serves the small page, a browser, and any number of tabs.

import { after, before, describe, test } from 'node:test';
import { BROWSERS, type BrowserName, launch, type Profile, type TestBrowser, type TestTab } from './harness.js';
import { type ServerOptions, TestServer } from './server.js';
import { Site } from './site.js';

const TIMEOUT_MS = 90_000;
const SHOWN_LOG_CHARACTERS = 3000;

/** Defines one test, with a server whose database is empty. */
export type Scenario = (title: string, run: (stage: SdkStage) => Promise<void>) => void;

/** Runs the same scenarios in Chromium and in Firefox. */
export function inEveryBrowser(subject: string, define: (scenario: Scenario, browser: BrowserName) => void, options: ServerOptions = {}): void {
  for (const name of BROWSERS)
    inBrowser(
      subject,
      name,
      () => launch(name),
      (scenario) => define(scenario, name),
      options,
    );
}

/** Runs scenarios in one browser. */
export function inBrowser(
  subject: string,
  name: BrowserName | 'webkit',
  start: () => Promise<TestBrowser>,
  define: (scenario: Scenario) => void,
  options: ServerOptions = {},
): void {
  describe(`${subject}, in ${name}`, () => {
    let browser: TestBrowser;
    let site: Site;
    before(async () => {
      site = await Site.build();
      browser = await start();
    });
    after(async () => {
      await browser?.close();
      await site?.remove();
    });
    define((title, run) => {
      test(title, { timeout: TIMEOUT_MS }, () => perform(title, site, browser, options, run));
    });
  });
}

async function perform(title: string, site: Site, browser: TestBrowser, options: ServerOptions, run: (stage: SdkStage) => Promise<void>): Promise<void> {
  const stage = new SdkStage(site, browser, await TestServer.start({ ...options, www: site.folder }));
  try {
    await run(stage);
  } catch (error) {
    process.stderr.write(`--- server, in “${title}” (${browser.name})\n${stage.server.output.slice(-SHOWN_LOG_CHARACTERS)}\n---\n`);
    process.stderr.write(`--- console\n${stage.problems().join('\n')}\n---\n`);
    throw error;
  } finally {
    await stage.clear();
  }
}

/** A server, and the tabs that use it. */
export class SdkStage {
  private readonly profiles: Profile[] = [];
  private readonly pages: TestTab[] = [];

  constructor(
    readonly site: Site,
    private readonly browser: TestBrowser,
    readonly server: TestServer,
  ) {}

  async profile(): Promise<Profile> {
    const profile = await this.browser.profile();
    this.profiles.push(profile);
    return profile;
  }

  /** A tab with the page loaded, in a profile of its own unless one is given. */
  async page(profile?: Profile, url = this.server.url): Promise<TestTab> {
    const page = await (profile ?? (await this.profile())).page();
    this.pages.push(page);
    await page.goto(`${url}/`);
    await loaded(page);
    return page;
  }

  problems(): string[] {
    return this.pages.flatMap((page) => page.problems);
  }

  async clear(): Promise<void> {
    await Promise.all(this.profiles.map((profile) => profile.close().catch(() => {})));
    await this.server.remove();
  }
}

/** Waits until the page's script has run. */
export async function loaded(page: TestTab): Promise<void> {
  await page.until('the page’s script', () => typeof sdk !== 'undefined');
}

/** Reloads, and waits until the page's script has run again. */
export async function reload(page: TestTab): Promise<void> {
  await page.reload();
  await loaded(page);
}

/** Opens the database in the page, as `db`; with a user it synchronises. */
export async function openIn(page: TestTab, choice: Parameters<typeof sdk.openDatabase>[0] = {}): Promise<void> {
  await page.run(async (given) => {
    globalThis.db = sdk.openDatabase(given);
    await db.ready;
  }, choice);
}

/** Waits until the page is online and has nothing to send. */
export async function settled(page: TestTab, patienceMs?: number): Promise<void> {
  const done = () => {
    const { connection, pending } = db.status.getSnapshot();
    return connection === 'online' && pending === 0;
  };
  await page.until('online and nothing pending', done, undefined, patienceMs);
}

/** The names of the lists, sorted. */
export function listNames(page: TestTab): Promise<string[]> {
  return page.run(async () => (await db.tables.lists.all()).map(({ name }) => name).sort());
}

/** Waits until the page has exactly these lists. */
export async function holdsLists(page: TestTab, names: readonly string[]): Promise<void> {
  const same = async (wanted: readonly string[]) =>
    JSON.stringify((await db.tables.lists.all()).map(({ name }) => name).sort()) === JSON.stringify([...wanted].sort());
  await page.until(`the lists ${names.join(', ')}`, same, names);
}

/** Waits until the page has so many lists whose ids begin with `prefix`. */
export async function holdsRows(page: TestTab, prefix: string, count: number, patienceMs?: number): Promise<void> {
  const same = async ({ prefix, count }: { prefix: string; count: number }) =>
    (await db.all(sdk.sql<{ id: string }>`SELECT id FROM lists`)).filter(({ id }) => id.startsWith(prefix)).length === count;
  await page.until(`${count} lists of ${prefix}`, same, { prefix, count }, patienceMs);
}
