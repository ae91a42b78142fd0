// The tier for browsers whose workers have no files: in memory and, page by page, in IndexedDB.

import assert from 'node:assert/strict';
import { holds } from './found.js';
import type { TestTab } from './harness.js';
import { holdsLists, inBrowser, inEveryBrowser, listNames, openIn, reload, type Scenario, settled } from './sdk-stage.js';
import { launchWebKit } from './webkit.js';
import { Witness } from './witness.js';

const ROUNDS = 3;
const WRITES = 200;

type Choice = Parameters<typeof sdk.openDatabase>[0];

const SUBJECT = 'a database in IndexedDB';
inEveryBrowser(SUBJECT, (scenario) => define(scenario, { storage: 'indexeddb' }));
// WebKit has nothing better.
inBrowser(SUBJECT, 'webkit', launchWebKit, (scenario) => {
  define(scenario, {});
  scenario('is refused where only files were allowed, and becomes memory where only that was', async (stage) => {
    const page = await stage.page();
    const seen = await page.run(async () => {
      const files = sdk.openDatabase({ name: 'files', storage: 'opfs' });
      const memory = sdk.openDatabase({ name: 'memory', storage: ['opfs', 'memory'] });
      await memory.ready;
      return { files: (await sdk.failure(() => files.ready))?.code, memory: memory.storage.getSnapshot().tier };
    });
    assert.deepEqual(seen, { files: 'StorageUnavailable', memory: 'memory' });
  });
});

function define(scenario: Scenario, choice: Choice): void {
  scenario('is there after a reload, with what was not sent, and is synchronised', async (stage) => {
    const page = await stage.page();
    await openIn(page, { ...choice, user: 'ann', online: false });
    const before = await page.run(async () => {
      await db.tables.lists.insert({ name: 'milk', owner_id: 'ann' });
      await db.tables.things.insert({ id: 'a', label: 'local', bytes: new Uint8Array(100_000).fill(7) });
      const { tier, lost } = db.storage.getSnapshot();
      return { tier, lost };
    });
    assert.deepEqual(before, { tier: 'indexeddb', lost: false });
    await reload(page);
    await openIn(page, { ...choice, user: 'ann', online: false });
    assert.deepEqual(await listNames(page), ['milk']);
    const kept = await page.run(async () => {
      const bytes = (await db.tables.things.get('a'))?.bytes;
      return { bytes: bytes?.length, seven: bytes?.every((byte) => byte === 7), pending: (await db.writes.pending()).length };
    });
    assert.deepEqual(kept, { bytes: 100_000, seven: true, pending: 1 });

    await page.run(() => db.setOnline(true));
    await settled(page);
    const other = await stage.page();
    await openIn(other, { ...choice, user: 'ann' });
    await holdsLists(other, ['milk']);
    await other.run(async () => void (await db.tables.lists.insert({ name: 'bread', owner_id: 'ann' })));
    await holdsLists(page, ['bread', 'milk']);
  });

  scenario('has everything that was acknowledged after the window was closed in the middle of writes', async (stage) => {
    const witness = await Witness.start();
    try {
      const profile = await stage.profile();
      const keeper = await stage.page(profile);
      for (let round = 0; round < ROUNDS; round++) {
        const page = await stage.page(profile);
        await openIn(page, { ...choice, user: 'ann', online: false });
        await page.run(
          ({ url, round }) => {
            const write = async (): Promise<void> => {
              for (let n = 0; ; n++) {
                await db.tables.lists.insert({ id: `${round}-${n}`, name: 'x', owner_id: 'ann', position: n });
                navigator.sendBeacon(url, `${round}-${n}`);
              }
            };
            void write();
          },
          { url: witness.url, round },
        );
        await witness.hears((told) => told.startsWith(`${round}-9`));
        await page.close();
      }
      await openIn(keeper, { ...choice, user: 'ann', online: false });
      const found = await keeper.run(async () => ({
        rows: (await db.tables.lists.all()).map(({ id }) => id),
        pending: (await db.writes.pending()).map(({ changes }) => changes.map(({ key }) => String(key.id)).join()),
        check: Object.values((await db.get(sdk.sql`SELECT * FROM pragma_integrity_check`)) ?? {}),
      }));
      holds(found, witness.told);
    } finally {
      await witness.remove();
    }
  });

  scenario('is used by two tabs, and by the second alone when the first is gone', async (stage) => {
    const profile = await stage.profile();
    const [first, second] = [await stage.page(profile), await stage.page(profile)];
    await openIn(first, { ...choice, user: 'ann', online: false });
    await openIn(second, { ...choice, user: 'ann', online: false });
    const insert = (page: TestTab, name: string) => page.run(async (given) => void (await db.tables.lists.insert({ name: given, owner_id: 'ann' })), name);
    await insert(first, 'of the first');
    await insert(second, 'of the second');
    await holdsLists(first, ['of the first', 'of the second']);
    assert.equal(await second.run(() => db.status.getSnapshot().owner), 'other-tab');
    await first.close();
    await insert(second, 'alone');
    await holdsLists(second, ['alone', 'of the first', 'of the second']);
    assert.deepEqual(await second.run(async () => [db.storage.getSnapshot().tier, (await db.writes.pending()).length]), ['indexeddb', 3]);
  });

  scenario('is refused above 64 MB, and goes on', async (stage) => {
    const page = await stage.page();
    await openIn(page, choice);
    const seen = await page.run(async () => {
      const refused = await sdk.failure(() => db.exec(sdk.sql`INSERT INTO things (id, bytes) VALUES ('large', zeroblob(70000000))`));
      await db.tables.things.insert({ id: 'small' });
      return { code: refused?.code, says: refused?.message.includes('64 MB'), rows: await db.tables.things.count() };
    });
    assert.deepEqual(seen, { code: 'QuotaExceeded', says: true, rows: 1 });
  });

  scenario('takes back what finds no room, tells who wrote it, and goes on when there is room', async (stage) => {
    const page = await stage.page();
    const seen = await page.run(async (given) => {
      globalThis.db = sdk.openDatabase({ ...given, user: 'ann', workerUrl: sdk.crampedWorker() });
      await db.ready;
      const { lists } = db.tables;
      const shown: string[] = [];
      const errors: string[] = [];
      lists
        .orderBy('name')
        .live()
        .subscribe((rows) => shown.push(rows.map(({ name }) => name).join()));
      db.on('error', ({ code }) => errors.push(code));
      await lists.insert({ name: 'before', owner_id: 'ann' });
      await sdk.fillDisk(true);
      const refused = await Promise.all(['x', 'y'].map((name) => sdk.failure(() => lists.insert({ name, owner_id: 'ann' }))));
      const read = await lists.count();
      const times = await sdk.fillDisk(false);
      await lists.insert({ name: 'after', owner_id: 'ann' });
      for (let waited = 0; shown.at(-1) !== 'after,before' && waited < 100; waited++) await sdk.pause(20);
      return { refused: refused.map((error) => error?.code), read, found: times > 0, last: shown.at(-1), all: shown.join(), errors };
    }, choice);
    assert.deepEqual(seen, { ...seen, refused: ['QuotaExceeded', 'QuotaExceeded'], read: 1, found: true, last: 'after,before' });
    assert.ok(!/[xy]/.test(seen.all), 'nobody saw what was not stored');
    assert.ok(seen.errors.includes('QuotaExceeded'));
    await settled(page);
    const other = await stage.page();
    await openIn(other, { ...choice, user: 'ann' });
    await holdsLists(other, ['after', 'before']);

    // What the server brings finds no room either: it is taken as not received, and comes again.
    await page.run(() => sdk.fillDisk(true));
    await other.run(async () => void (await db.tables.lists.insert({ name: 'from afar', owner_id: 'ann' })));
    await page.until('no room', () => sdk.fillDisk(true));
    assert.deepEqual(await listNames(page), ['after', 'before']);
    await page.run(async () => {
      await sdk.fillDisk(false);
      await db.tables.things.insert({ label: 'there is room' });
    });
    await holdsLists(page, ['after', 'before', 'from afar']);
  });

  scenario('answers every write once though its worker goes again and again', async (stage) => {
    const page = await stage.page();
    await openIn(page, { ...choice, user: 'ann', online: false });
    const seen = await page.run(async (writes) => {
      await db.tables.lists.insert({ id: 'counter', name: 'counter', owner_id: 'ann', position: 0 });
      let answered = 0;
      let underWay = 0;
      const all: Promise<void>[] = [];
      const raise = async (): Promise<void> => {
        const { changes } = await db.exec(sdk.sql`UPDATE lists SET position = position + 1 WHERE id = 'counter'`);
        answered += changes;
      };
      while (all.length < writes) {
        for (let n = 0; n < 10; n++) all.push(raise());
        await sdk.pause(3);
        if (all.length % 50 !== 0) continue;
        underWay += all.length - answered;
        sdk.hideAndShow();
      }
      await Promise.all(all);
      return { underWay, answered, position: (await db.tables.lists.get('counter'))?.position, pending: (await db.writes.pending()).length };
    }, WRITES);
    assert.ok(seen.underWay > 0, 'no worker went while writes were under way');
    assert.deepEqual({ ...seen, underWay: 0 }, { underWay: 0, answered: WRITES, position: WRITES, pending: WRITES + 1 });
  });
}
