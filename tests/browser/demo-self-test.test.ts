// The self-test of the demo: all of it holds in each browser, and what does not hold is shown with its reason.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { launch, launchFirefox, type TestBrowser, type TestTab } from './harness.js';
import { TestServer } from './server.js';
import { launchWebKit } from './webkit.js';

const TIMEOUT_MS = 90_000;
const RUN_MS = 60_000;

interface Seen {
  readonly state: string;
  readonly title: string;
  readonly note: string;
}

/** Waits for the end of the self-test, and answers what it shows, by group. */
async function results(page: TestTab): Promise<Readonly<Record<string, readonly Seen[]>>> {
  const over = () => document.querySelector('.test')?.getAttribute('aria-busy') === 'false';
  await page.until('the end of the self-test', over, undefined, RUN_MS);
  return page.run(() => {
    const text = (element: Element, selector: string) => element.querySelector(selector)?.textContent ?? '';
    const groups = [...document.querySelectorAll('.test-group')].map((group) => {
      const checks = [...group.querySelectorAll<HTMLElement>('.test-check')].map((check) => ({
        state: check.dataset.state ?? '',
        title: text(check, '.test-title'),
        note: text(check, '.test-note'),
      }));
      return [text(group, 'h2'), checks] as const;
    });
    return Object.fromEntries(groups);
  });
}

const shown = (page: TestTab) =>
  page.run(() => ({
    total: document.querySelector('.test-total')?.textContent ?? '',
    browser: document.querySelector('.test-browser')?.textContent ?? '',
    report: document.querySelector<HTMLTextAreaElement>('.test-report')?.value ?? '',
  }));

const states = (checks: readonly Seen[] | undefined) => [...new Set(checks?.map(({ state }) => state))];

for (const [name, start, called, places] of [
  ['chromium', () => launch('chromium'), /^Chrome \d/, ['In files', 'In IndexedDB', 'In memory']],
  ['firefox', () => launch('firefox'), /^Firefox \d/, ['In files', 'In IndexedDB', 'In memory']],
  ['webkit', launchWebKit, /^Safari \d/, ['In IndexedDB', 'In memory']],
] as const) {
  describe(`the self-test, in ${name}`, () => {
    let server: TestServer;
    let browser: TestBrowser;
    before(async () => {
      [server, browser] = await Promise.all([TestServer.start(), start()]);
    });
    after(async () => {
      await browser?.close();
      await server?.remove();
    });

    test('everything holds in every place that the browser has, and nothing is left behind', { timeout: TIMEOUT_MS }, async () => {
      const page = await (await browser.profile()).page();
      await page.goto(`${server.url}/self-test.html`);
      const groups = await results(page);
      const failed = Object.values(groups).flatMap((checks) => checks.filter(({ state }) => state === 'failed'));
      assert.deepEqual(failed, []);
      for (const [place, checks] of Object.entries(groups)) {
        const isOffered = place === 'This browser' || (places as readonly string[]).includes(place);
        assert.deepEqual(states(checks), [isOffered ? 'passed' : 'absent'], place);
        if (isOffered && place !== 'This browser') assert.ok(checks.length >= 9, `${place}: ${checks.length} checks`);
      }
      const notes = JSON.stringify(groups);
      assert.match(notes, /3 workers ended among them, none lost/);
      assert.match(notes, /the hand-over took \d+(\.\d)? ms, over a SharedWorker/);
      const { total, browser: says, report } = await shown(page);
      assert.match(total, /^\d+ passed, 0 failed/);
      assert.match(says, called);
      assert.match(
        report,
        /^Seaworthy self-test, release [0-9a-f]{12}\n.*\n.*\n.*\n\d+ passed, 0 failed.*\n\nThis browser\n {2}passed {2}Keeps the data of an application \(\d+ ms\): /,
      );
      const left = await page.run(async () => {
        const names = Object.keys(localStorage).filter((key) => key.includes('self-test'));
        const root = await (navigator as Partial<Navigator>).storage?.getDirectory().catch(() => null);
        const folder = await root?.getDirectoryHandle('seaworthy').catch(() => null);
        for await (const key of (folder as unknown as { keys(): AsyncIterable<string> } | null)?.keys() ?? []) names.push(key);
        return names;
      });
      assert.deepEqual(left, []);
    });
  });
}

describe('the self-test where site data are blocked, in firefox', () => {
  test('says which check failed, and why', { timeout: TIMEOUT_MS }, async () => {
    const [server, browser] = await Promise.all([TestServer.start(), launchFirefox({ 'network.cookie.cookieBehavior': 2 })]);
    try {
      const page = await (await browser.profile()).page();
      await page.goto(`${server.url}/self-test.html`);
      const groups = await results(page);
      assert.deepEqual(states(groups['This browser']), ['failed']);
      assert.match(groups['This browser']?.[0]?.note ?? '', /^StorageUnavailable: .*allow site data/);
      assert.deepEqual([states(groups['In files']), states(groups['In IndexedDB']), states(groups['In memory'])], [['absent'], ['absent'], ['passed']]);
      const { total, report } = await shown(page);
      assert.match(total, /^\d+ passed, 1 failed, 2 not offered/);
      assert.match(report, /\n {2}failed {2}Keeps the data of an application \(\d+ ms\): StorageUnavailable: /);
    } finally {
      await browser.close();
      await server.remove();
    }
  });
});
