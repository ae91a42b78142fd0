// What browsers do to pages: reload them, keep them in the back-forward cache, hide and freeze them, and sleep with their machine.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Colleague } from './colleague.js';
import { BROWSERS, type TestPage } from './harness.js';
import { InstalledBrowser, sleepFor, type Tab } from './installed.js';
import { Ledger } from './ledger.js';
import { Wire } from './network.js';
import { holdsLists, loaded, openIn, settled } from './sdk-stage.js';
import { pause, TestServer } from './server.js';
import { Site } from './site.js';

const TIMEOUT_MS = 60_000;
const LEAVES = 30;
const SLEEP_MS = 1500;
const UNRESPONSIVE_MS = 7000;
const MOST_VISITS = 5;
const STANDSTILL_MS = 400;
const IDLE_MS = 150;
const LIMITS = 3;
const DAY_MS = 24 * 3_600_000;

/** A database of one test, whose user is nobody else. */
interface Place {
  readonly name: string;
  readonly user: string;
  readonly colleague: Colleague;
  /** A tab with the page loaded. */
  tab(url?: string): Promise<Tab>;
}

for (const name of BROWSERS) {
  describe(`pages that come and go, in ${name}`, () => {
    let site: Site;
    let server: TestServer;
    let browser: InstalledBrowser;
    let places = 0;

    before(async () => {
      site = await Site.build();
      server = await TestServer.start({ www: site.folder });
      browser = await InstalledBrowser.start(name);
    });
    after(async () => {
      await browser?.remove();
      await server?.remove();
      await site?.remove();
    });

    const scenario = (title: string, run: (place: Place) => Promise<void>): void => {
      test(title, { timeout: TIMEOUT_MS }, async () => {
        const tabs: Tab[] = [];
        const user = `user ${++places}`;
        const tab = async (url = server.url): Promise<Tab> => {
          const opened = await browser.tab();
          tabs.push(opened);
          await opened.page.goto(`${url}/`);
          await loaded(opened.page);
          return opened;
        };
        try {
          await run({ name: `database ${places}`, user, colleague: new Colleague(server.url, user), tab });
        } finally {
          await Promise.all(tabs.map((opened) => opened.close().catch(() => {})));
        }
      });
    };

    scenario(
      `${LEAVES} reloads and navigations in a row, each with writes under way, lose nothing and do not start more slowly`,
      async ({ name, user, tab }) => {
        const ledger = await Ledger.open();
        try {
          const { page } = await tab();
          const starts: number[] = [];
          for (let nth = 0; nth < LEAVES; nth++) {
            const prefix = `${name}:${nth}`;
            await page.run(
              ({ name, user, ...writing }) => {
                globalThis.db = sdk.openDatabase({ name, user, online: false });
                sdk.writeWithoutEnd(writing);
              },
              { name, user, witness: ledger.url, prefix, lanes: 2 },
            );
            // Every other reload comes before the database is open.
            if (nth % 2 === 0) {
              await ledger.heard(`${prefix}.`);
              starts.push(await page.run(() => db.ready.then(() => performance.now())));
            }
            if (nth % 3 === 2) await page.goto(`${server.url}/?${nth}`);
            else await page.reload();
            await loaded(page);
          }
          await openIn(page, { name, user, online: false });
          ledger.check(await page.run(() => sdk.held()), `${name}:`);
          const [first, last] = [median(starts.slice(0, 5)), median(starts.slice(-5))];
          assert.ok(last < 2 * first + 100, `the first starts took ${first.toFixed(0)} ms, the last ${last.toFixed(0)} ms`);
        } finally {
          await ledger.remove();
        }
      },
    );

    scenario('a hidden page synchronises and keeps its limits, although its own timers hardly run', async (place) => {
      const { page } = await place.tab();
      await openIn(page, { name: place.name, user: place.user, idleMs: IDLE_MS });
      await settled(page);
      await place.tab();
      await page.until('the page to be hidden', () => document.visibilityState === 'hidden');
      await server.kill();
      await page.until('the connection to be lost', () => db.status.getSnapshot().connection !== 'online');
      await server.run();
      await place.colleague.addList(`unseen of ${place.user}`);
      await holdsLists(page, [`unseen of ${place.user}`]);
      const seen = await page.run(async (limits) => {
        const [begun, ticks] = [performance.now(), sdk.life.ticks];
        // What waits for a transaction goes on when the worker has ended it.
        const once = () => sdk.failure(() => db.transaction(async (tx) => [await tx.tables.lists.all(), await db.tables.lists.all()]));
        for (let nth = 0; nth < limits; nth++) await once();
        const limitsMs = performance.now() - begun;
        await sdk.pause(1000);
        return { limitsMs, ticksPerSecond: ((sdk.life.ticks - ticks) / (performance.now() - begun)) * 1000 };
      }, LIMITS);
      assert.ok(seen.ticksPerSecond < 5, `the hidden page's timers must be throttled, and ran ${seen.ticksPerSecond} times in a second`);
      assert.ok(seen.limitsMs < 1000 * LIMITS, `${LIMITS} transactions that may be idle for ${IDLE_MS} ms were ended after ${seen.limitsMs} ms`);
    });

    scenario('a wall clock that jumps neither hurries nor holds up what is tried again', async (place) => {
      const { page } = await place.tab();
      await page.run(
        async ({ name, user }) => {
          globalThis.db = sdk.openDatabase({ name, user, workerUrl: sdk.hastyWorker() });
          await db.ready;
        },
        { name: place.name, user: place.user },
      );
      await settled(page);
      await server.kill();
      await page.until('the connection to be lost', () => db.status.getSnapshot().connection !== 'online');
      const ahead = await page.run(async (user) => {
        await db.tables.lists.insert({ id: `offline of ${user}`, name: 'offline', owner_id: user });
        const [written] = await db.writes.pending();
        return (written?.committedAt.getTime() ?? 0) - Date.now();
      }, place.user);
      assert.ok(ahead > DAY_MS / 2, `the worker's clock must have jumped, and is ${ahead} ms ahead`);
      await server.run();
      await settled(page);
    });

    for (const what of ['renderers', 'processes'] as const) {
      scenario(
        `sleep and wake of ${what === 'renderers' ? 'the page' : 'the whole browser'}: writes under way are answered once, and it connects again`,
        async (place) => {
          const wire = await Wire.to(server.port);
          try {
            const { page } = await place.tab(wire.url);
            await openIn(page, { name: place.name, user: place.user });
            await settled(page);
            await counting(page, place.user);
            const asleep = sleepFor(await browser[what](), SLEEP_MS);
            // When it wakes, its connections are gone.
            wire.break();
            wire.mend();
            await place.colleague.addList(`meanwhile of ${place.user}`);
            await asleep;
            await counted(page, place.user);
            const gap = await page.run(() => sdk.life.longestGapMs);
            assert.ok(gap > 0.8 * SLEEP_MS, `the page must have slept, and its longest gap was ${gap.toFixed(0)} ms`);
            await settled(page);
            await holdsLists(page, [`counter of ${place.user}`, `meanwhile of ${place.user}`]);
          } finally {
            await wire.remove();
          }
        },
      );
    }

    /** Leaves a page that writes, and comes back to it. Says whether it came from the back-forward cache. */
    const leftAndBack = async (place: Place, user: string): Promise<boolean> => {
      const database = `database of ${user}`;
      const tab = await place.tab();
      const { page } = tab;
      await openIn(page, { name: database, user });
      await counting(page, user);
      await page.goto(`${server.url}/?away`);
      await loaded(page);
      // A page is thrown out of the cache by who asks for a lock that it has.
      const free = await page.run((name) => navigator.locks.request(`seaworthy:${name}`, { ifAvailable: true }, (lock) => lock !== null), database);
      assert.ok(free, 'the page that was left must have let go of the database');
      await new Colleague(server.url, user).addList(`meanwhile of ${user}`);
      await tab.back();
      await page.until('the page', () => typeof sdk !== 'undefined' && sdk.life.events.some((event) => event.startsWith('pageshow')) && !location.search);
      if (!(await page.run(() => sdk.life.events.includes('pageshow, persisted')))) return false;
      await counted(page, user);
      await settled(page);
      await holdsLists(page, [`counter of ${user}`, `meanwhile of ${user}`]);
      return true;
    };

    if (name === 'chromium') {
      scenario('a page that comes back from the back-forward cache goes on: writes are answered once, and it hears what it missed', async (place) => {
        // A connection that the ended worker had, and that the browser has not noticed to be closed, keeps a page out now and then.
        for (let visit = 1; !(await leftAndBack(place, `${place.user}, visit ${visit}`)); visit++) {
          assert.ok(visit < MOST_VISITS, `the page came from the back-forward cache in none of ${visit} visits`);
        }
      });

      scenario('an owner that nobody sees for five seconds hands over to a tab that somebody sees', async (place) => {
        const hidden = await place.tab();
        await openIn(hidden.page, { name: place.name, user: place.user, online: false });
        await counting(hidden.page, place.user);
        const seen = await place.tab();
        await hidden.page.until('the page to be hidden', () => document.visibilityState === 'hidden');
        await openIn(seen.page, { name: place.name, user: place.user, online: false });
        assert.equal(await seen.page.run(() => db.status.getSnapshot().owner), 'other-tab');
        await seen.page.until('the tab that is seen to own it', () => db.status.getSnapshot().owner === 'this-tab');
        assert.equal(hidden.workers(), 1, 'nobody was killed');
        await counted(hidden.page, place.user);
        assert.equal(await hidden.page.run(() => db.status.getSnapshot().owner), 'other-tab');
      });

      scenario('an owner whose process stands still is named, and calls wait for it', async (place) => {
        const owner = await place.tab();
        await openIn(owner.page, { name: place.name, user: place.user, online: false });
        await counting(owner.page, place.user);
        const other = await place.tab();
        await openIn(other.page, { name: place.name, user: place.user, online: false });
        const renderer = await rendererOf(owner.page, await browser.renderers());
        const asleep = sleepFor([renderer], UNRESPONSIVE_MS);
        const waiting = other.page.run(() => db.tables.lists.all().then((rows) => rows.length));
        await other.page.until('the owner to be named', () => db.status.getSnapshot().owner === 'unresponsive');
        assert.equal((await other.page.run(() => sdk.failure(() => db.tables.lists.all({ signal: AbortSignal.timeout(50) }))))?.name, 'TimeoutError');
        await asleep;
        assert.equal(await waiting, 1);
        await other.page.until('an owner that answers', () => db.status.getSnapshot().owner !== 'unresponsive');
        await counted(owner.page, place.user);
      });

      scenario('a page that is frozen lets go of the database, and goes on when it is resumed', async (place) => {
        const frozen = await place.tab();
        await openIn(frozen.page, { name: place.name, user: place.user, online: false });
        await counting(frozen.page, place.user);
        const other = await place.tab();
        await frozen.page.until('the page to be hidden', () => document.visibilityState === 'hidden');
        assert.equal(frozen.workers(), 1);
        const devtools = await frozen.devtools();
        await devtools.send('Page.setWebLifecycleState', { state: 'frozen' });
        await until('the worker of the frozen page to be ended', () => frozen.workers() === 0);
        await openIn(other.page, { name: place.name, user: place.user, online: false });
        await other.page.run(async () => {
          await db.tables.lists.insert({ id: 'other', name: 'other', owner_id: 'ann' });
          await db.close({ now: true });
        });
        await frozen.bringToFront();
        await devtools.send('Page.setWebLifecycleState', { state: 'active' });
        await counted(frozen.page, place.user);
        const events = await frozen.page.run(() => sdk.life.events);
        assert.deepEqual(
          events.filter((event) => event === 'freeze' || event === 'resume'),
          ['freeze', 'resume'],
        );
        await holdsLists(frozen.page, [`counter of ${place.user}`, 'other']);
      });
    }
  });
}

/** Begins to count. From then on, calls are under way at every moment. */
async function counting(page: TestPage, user: string): Promise<void> {
  await page.run((user) => sdk.countOn(`counter of ${user}`, user), user);
  await page.until('the first writes to be answered', () => sdk.life.answered > 5);
}

/** Sees that the counting went on, ends it, and asserts that every call had one answer and one effect. */
async function counted(page: TestPage, user: string): Promise<void> {
  const before = await page.run(() => sdk.life.answered);
  await page.until('the counting to go on', (before) => sdk.life.answered > before + 5, before);
  await page.run(() => {
    sdk.life.enough = true;
  });
  await page.until('every call to be answered', () => sdk.life.lanes === 0);
  const seen = await page.run(async (user) => {
    const row = await db.tables.lists.get(`counter of ${user}`);
    return { answered: sdk.life.answered, position: row?.position };
  }, user);
  assert.equal(seen.position, seen.answered);
}

/** Which of these processes holds a page: it does not answer while that one stands still. */
async function rendererOf(page: TestPage, pids: readonly number[]): Promise<number> {
  for (const pid of pids) {
    const asleep = sleepFor([pid], STANDSTILL_MS);
    const answered = page.run(() => true);
    const first = await Promise.race([answered.then(() => 'an answer'), pause(STANDSTILL_MS / 2).then(() => 'silence')]);
    await asleep;
    await answered;
    if (first === 'silence') return pid;
  }
  return assert.fail('no process holds the page');
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (let waited = 0; !holds(); waited += 20) {
    assert.ok(waited < 10_000, `waited in vain for ${what}`);
    await pause(20);
  }
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
