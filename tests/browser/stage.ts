// The stage of a test of the demo: a real server, a browser, and as many windows as people.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Demo } from './demo.js';
import { BROWSERS, type BrowserName, launch, type Profile, type TestBrowser, type TestPage } from './harness.js';
import { TestServer } from './server.js';

const TIMEOUT_MS = 90_000;
const SHOWN_LOG_CHARACTERS = 4000;

/** Defines one test. It gets a server with an empty database; consoles must stay silent. */
export type Scenario = (title: string, run: (stage: Stage) => Promise<void>) => void;

/** Runs the same scenarios in every browser. */
export function inEveryBrowser(subject: string, define: (scenario: Scenario, browser: BrowserName) => void): void {
  for (const name of BROWSERS) {
    describe(`${subject}, in ${name}`, () => {
      let browser: TestBrowser<TestPage>;
      before(async () => {
        browser = await launch(name);
      });
      after(async () => {
        await browser.close();
      });
      define((title, run) => {
        test(title, { timeout: TIMEOUT_MS }, () => perform(title, browser, run));
      }, name);
    });
  }
}

async function perform(title: string, browser: TestBrowser<TestPage>, run: (stage: Stage) => Promise<void>): Promise<void> {
  const stage = await Stage.set(browser);
  try {
    await run(stage);
    assert.deepEqual(stage.problems(), [], 'nothing may be printed as an error');
  } catch (error) {
    process.stderr.write(`--- server, in “${title}” (${browser.name})\n${stage.server.output.slice(-SHOWN_LOG_CHARACTERS)}\n---\n`);
    throw error;
  } finally {
    await stage.clear();
  }
}

/** A server, and the windows that look at it. */
export class Stage {
  /** Errors that browsers print for want of a network are then not the demo's. */
  breaksNetwork = false;
  private readonly profiles: Profile<TestPage>[] = [];
  private readonly windows: Demo[] = [];

  private constructor(
    readonly server: TestServer,
    private readonly browser: TestBrowser<TestPage>,
  ) {}

  static async set(browser: TestBrowser<TestPage>): Promise<Stage> {
    return new Stage(await TestServer.ofDemo(), browser);
  }

  async profile(): Promise<Profile<TestPage>> {
    const profile = await this.browser.profile();
    this.profiles.push(profile);
    return profile;
  }

  /** A window in a profile of its own, unless one is given. */
  async window(url: string, profile?: Profile<TestPage>, size?: { width: number; height: number }): Promise<Demo> {
    const demo = await Demo.open(profile ?? (await this.profile()), url, size);
    this.windows.push(demo);
    return demo;
  }

  /** A window of somebody on a device of their own. */
  async person(user: string, { url = this.server.url, offline = false }: { url?: string; offline?: boolean } = {}): Promise<Demo> {
    const profile = await this.profile();
    const demo = await Demo.openFor(profile, url, user, offline);
    this.windows.push(demo);
    return demo;
  }

  /** Two windows of one user in two profiles, which both show the same new list. */
  async pair(list: string): Promise<[Demo, Demo]> {
    const ann = await this.window(this.server.url);
    const ben = await this.window(this.server.url);
    await share(ann, ben, list);
    return [ann, ben];
  }

  problems(): string[] {
    return this.windows.flatMap((window) => window.problems(this.breaksNetwork));
  }

  async clear(): Promise<void> {
    await Promise.all(this.profiles.map((profile) => profile.close()));
    await this.server.remove();
  }
}

/** Makes a list in one window, and shows it in the other. */
export async function share(ann: Demo, ben: Demo, list: string): Promise<void> {
  await ann.addList(list);
  await ann.settled();
  await ben.chooseList(list);
  await ben.settled();
}

/** Waits until both are in step with the server, and asserts that both show the same todos in the same order. */
export async function converged(ann: Demo, ben: Demo, titles: readonly string[]): Promise<void> {
  await ann.settled();
  await ben.settled();
  await ann.holdsTodos(titles);
  await ben.holdsTodos(titles);
  assert.deepEqual(await ann.todos(), await ben.todos());
}
