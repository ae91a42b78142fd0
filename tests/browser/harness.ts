// The browsers behind one small interface: Chromium through playwright-core, Firefox through puppeteer-core (WebDriver BiDi), WebKit
// by WebDriver (webkit.ts).
// A profile is what two people at two machines have: storage, locks and service workers of its own.

import { type BrowserContext, type CDPSession, chromium, type Page as PlaywrightPage } from 'playwright-core';
import puppeteer, { type KeyInput, type BrowserContext as PuppeteerContext, type Page as PuppeteerPage } from 'puppeteer-core';
// @ts-expect-error a plain JavaScript module of the build
import { chromiumArgs, need } from '../../scripts/browsers.mjs';
import { pause } from './server.js';

/** Those in which everything runs. */
export const BROWSERS = ['chromium', 'firefox'] as const;
export type BrowserName = (typeof BROWSERS)[number];

/** How long `until` waits unless told. */
export const PATIENCE_MS = 15_000;
const POLL_MS = 40;
const DRAG_STEPS = 8;

export interface PageOptions {
  readonly width?: number;
  readonly height?: number;
}

/** A running browser. */
export interface TestBrowser<Tab extends TestTab = TestTab> {
  readonly name: BrowserName | 'webkit';
  /** A profile with nothing in it. */
  profile(): Promise<Profile<Tab>>;
  close(): Promise<void>;
}

/** Storage of its own, with any number of tabs. */
export interface Profile<Tab extends TestTab = TestTab> {
  page(options?: PageOptions): Promise<Tab>;
  /** The browser's own emulation of a network that is away. Chromium only. */
  setOffline(offline: boolean): Promise<void>;
  close(): Promise<void>;
}

interface TabDriver {
  goto(url: string): Promise<unknown>;
  reload(): Promise<unknown>;
  evaluate<R, A>(run: (argument: A) => R, argument: A): Promise<Awaited<R>>;
  close(): Promise<unknown>;
  quota?(bytes: number | null): Promise<void>;
}

interface Driver extends TabDriver {
  click(selector: string): Promise<void>;
  hover(selector: string): Promise<void>;
  type(text: string): Promise<void>;
  press(keys: string): Promise<void>;
  mouse(step: 'move' | 'down' | 'up', x: number, y: number): Promise<void>;
  screenshot(file: string): Promise<unknown>;
}

/** One tab, whose page is asked and told by scripts. */
export class TestTab {
  /** What the console said as an error, and what was thrown without being caught. */
  readonly problems: string[] = [];

  constructor(protected readonly driver: TabDriver) {}

  goto(url: string): Promise<unknown> {
    return this.driver.goto(url);
  }

  reload(): Promise<unknown> {
    return this.driver.reload();
  }

  /** Lets the page's origin have so many bytes; `null`: as many as the browser gives. Chromium only. */
  async quota(bytes: number | null): Promise<void> {
    if (!this.driver.quota) throw new Error('This browser has no quota that a test could set.');
    await this.driver.quota(bytes);
  }

  /** Runs a function in the page. */
  run<R, A = undefined>(run: (argument: A) => R, argument?: A): Promise<Awaited<R>> {
    return this.driver.evaluate(run, argument as A);
  }

  /** Waits until `run` answers something true in the page, and answers it. A failure says what was awaited, and what is seen. */
  async until<R, A = undefined>(what: string, run: (argument: A) => R, argument?: A, patienceMs = PATIENCE_MS): Promise<Awaited<R>> {
    const deadline = Date.now() + patienceMs;
    let last: unknown = null;
    while (Date.now() < deadline) {
      // While a page is being replaced, there is nothing to ask.
      const answer = await this.driver.evaluate(run, argument as A).catch((error: unknown) => {
        last = error;
        return null;
      });
      if (answer) return answer;
      await pause(POLL_MS);
    }
    const seen = await this.driver.evaluate(() => document.body?.innerText ?? '', undefined).catch(() => '(nothing)');
    const problems = this.problems.length > 0 ? `\nconsole: ${this.problems.join('\n         ')}` : '';
    const failed = last instanceof Error ? `\nlast failure: ${last.message}` : '';
    throw new Error(`Waited ${patienceMs} ms for: ${what}.\nThe page shows:\n${seen}${problems}${failed}`);
  }

  close(): Promise<unknown> {
    return this.driver.close();
  }
}

/** A tab with hands. */
export class TestPage extends TestTab {
  constructor(protected override readonly driver: Driver) {
    super(driver);
  }

  click(selector: string): Promise<void> {
    return this.driver.click(selector);
  }

  hover(selector: string): Promise<void> {
    return this.driver.hover(selector);
  }

  /** Types into whatever has the focus. */
  type(text: string): Promise<void> {
    return this.driver.type(text);
  }

  /** Presses a key, with modifiers before it: `Alt+ArrowDown`. */
  press(keys: string): Promise<void> {
    return this.driver.press(keys);
  }

  /** Replaces the text of a field. */
  async fill(selector: string, text: string): Promise<void> {
    await this.driver.click(selector);
    await this.run((at) => document.querySelector<HTMLInputElement>(at)?.select(), selector);
    await this.driver.type(text);
  }

  /** Drags what is under the middle of one element to the middle of another. */
  async drag(from: string, to: string): Promise<void> {
    const middles = (selectors: string[]) =>
      selectors.map((selector) => {
        const box = document.querySelector(selector)?.getBoundingClientRect();
        return box ? { x: box.x + box.width / 2, y: box.y + box.height / 2 } : null;
      });
    const [start, end] = await this.run(middles, [from, to]);
    if (!start || !end) throw new Error(`There is no ${start ? to : from} to drag.`);
    await this.driver.mouse('move', start.x, start.y);
    await this.driver.mouse('down', start.x, start.y);
    for (let step = 1; step <= DRAG_STEPS; step++) {
      const part = step / DRAG_STEPS;
      await this.driver.mouse('move', start.x + (end.x - start.x) * part, start.y + (end.y - start.y) * part);
    }
    await this.driver.mouse('up', end.x, end.y);
  }

  screenshot(file: string): Promise<unknown> {
    return this.driver.screenshot(file);
  }
}

/** Starts a browser. */
export async function launch(name: BrowserName): Promise<TestBrowser<TestPage>> {
  return name === 'chromium' ? launchChromium() : launchFirefox();
}

async function launchChromium(): Promise<TestBrowser<TestPage>> {
  const browser = await chromium.launch({ executablePath: need('chromium'), headless: true, args: chromiumArgs });
  return {
    name: 'chromium',
    profile: async () => chromiumProfile(await browser.newContext()),
    close: () => browser.close(),
  };
}

function chromiumProfile(context: BrowserContext): Profile<TestPage> {
  return {
    page: async ({ width = 1100, height = 760 } = {}) => {
      const page = await context.newPage();
      await page.setViewportSize({ width, height });
      const tested = new TestPage(chromiumDriver(page));
      page.on('console', (message) => message.type() === 'error' && tested.problems.push(message.text()));
      page.on('pageerror', (error) => tested.problems.push(error.message));
      return tested;
    },
    setOffline: (offline) => context.setOffline(offline),
    close: () => context.close(),
  };
}

function chromiumDriver(page: PlaywrightPage): Driver {
  // The quota is given back when the session ends.
  let session: Promise<CDPSession> | undefined;
  return {
    quota: async (bytes) => {
      session ??= page.context().newCDPSession(page);
      const origin = new URL(page.url()).origin;
      await (await session).send('Storage.overrideQuotaForOrigin', bytes === null ? { origin } : { origin, quotaSize: bytes });
    },
    goto: (url) => page.goto(url),
    reload: () => page.reload(),
    evaluate: (run, argument) => page.evaluate(run as never, argument) as never,
    click: (selector) => page.click(selector, { timeout: PATIENCE_MS }),
    hover: (selector) => page.hover(selector, { timeout: PATIENCE_MS }),
    type: (text) => page.keyboard.type(text),
    press: (keys) => page.keyboard.press(keys),
    mouse: (step, x, y) => (step === 'move' ? page.mouse.move(x, y) : page.mouse[step]()),
    screenshot: (file) => page.screenshot({ path: file }),
    close: () => page.close(),
  };
}

/** Starts Firefox with settings of its own. */
export async function launchFirefox(settings: Readonly<Record<string, unknown>> = {}): Promise<TestBrowser<TestPage>> {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: need('firefox'),
    headless: true,
    extraPrefsFirefox: { 'privacy.reduceTimerPrecision': false, ...settings },
  });
  const front: Front = { page: null };
  return {
    name: 'firefox',
    profile: async () => firefoxProfile(await browser.createBrowserContext(), front),
    close: () => browser.close(),
  };
}

/** The tab that a browser shows. */
export interface Front {
  page: PuppeteerPage | null;
}

function firefoxProfile(context: PuppeteerContext, front: Front): Profile<TestPage> {
  return {
    page: async ({ width = 1100, height = 760 } = {}) => {
      const page = await context.newPage();
      front.page = page;
      await page.setViewport({ width, height });
      return puppeteerPage(page, front);
    },
    setOffline: () => Promise.reject(new Error('Firefox has no emulation of a network that is away: use a Wire.')),
    close: () => context.close(),
  };
}

/** A tab that puppeteer drives. */
export function puppeteerPage(page: PuppeteerPage, front: Front): TestPage {
  const tested = new TestPage(puppeteerDriver(page, front));
  page.on('console', (message) => message.type() === 'error' && tested.problems.push(message.text()));
  page.on('pageerror', (error) => tested.problems.push(error instanceof Error ? error.message : String(error)));
  return tested;
}

function puppeteerDriver(page: PuppeteerPage, front: Front): Driver {
  // A tab in the background draws nothing, and what is not drawn cannot be clicked.
  const inFront = async (): Promise<void> => {
    if (front.page !== page) await page.bringToFront();
    front.page = page;
  };
  return {
    goto: (url) => page.goto(url),
    reload: () => page.reload(),
    evaluate: (run, argument) => page.evaluate(run as never, argument as never) as never,
    click: async (selector) => {
      await inFront();
      const { x, y } = await reachable(page, selector);
      await page.mouse.click(x, y);
    },
    hover: async (selector) => {
      await inFront();
      const { x, y } = await reachable(page, selector);
      await page.mouse.move(x, y);
    },
    type: (text) => inFront().then(() => page.keyboard.type(text)),
    press: (keys) => inFront().then(() => pressTogether(page, keys.split('+') as KeyInput[])),
    mouse: (step, x, y) => (step === 'move' ? page.mouse.move(x, y) : page.mouse[step]()),
    screenshot: (file) => page.screenshot({ path: file as `${string}.png` }),
    close: () => page.close(),
  };
}

/** Waits until the middle of an element can be hit, and answers where it is. Two looks must agree: what moves is missed. */
async function reachable(page: PuppeteerPage, selector: string): Promise<{ x: number; y: number }> {
  const look = (wanted: string) => {
    const element = document.querySelector(wanted);
    element?.scrollIntoView({ block: 'nearest' });
    const box = element?.getBoundingClientRect();
    if (!element || !box || box.width === 0) return null;
    const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
    const hit = document.elementFromPoint(x, y);
    return hit && (element.contains(hit) || hit.closest('label')?.contains(element)) ? { x, y } : null;
  };
  const deadline = Date.now() + PATIENCE_MS;
  let before: { x: number; y: number } | null = null;
  while (Date.now() < deadline) {
    const now = await page.evaluate(look, selector).catch(() => null);
    if (now && before && now.x === before.x && now.y === before.y) return now;
    before = now;
    await pause(POLL_MS);
  }
  throw new Error(`Waited ${PATIENCE_MS} ms for ${selector} to be there, in view and not covered.`);
}

async function pressTogether(page: PuppeteerPage, keys: KeyInput[]): Promise<void> {
  const [last, ...modifiers] = [...keys].reverse();
  if (last === undefined) return;
  for (const modifier of modifiers) await page.keyboard.down(modifier);
  await page.keyboard.press((last as string) === 'Space' ? ' ' : last);
  for (const modifier of modifiers) await page.keyboard.up(modifier);
}
