// What an application is told of the place where its data are.

import assert from 'node:assert/strict';
import { inEveryBrowser, openIn, reload } from './sdk-stage.js';

inEveryBrowser('storage', (scenario, browser) => {
  scenario('says where the database is, and warns once of a synced write that the browser may delete', async (stage) => {
    const page = await stage.page();
    await openIn(page, { user: 'ann', online: false });
    const seen = await page.run(async () => {
      const warned: (string | null)[] = [];
      db.on('storage-not-persisted', ({ tier }) => warned.push(tier));
      await db.tables.things.insert({ label: 'local' });
      await db.storage.refresh();
      const local = warned.length;
      for (const name of ['a', 'b']) await db.tables.lists.insert({ name, owner_id: 'ann' });
      const { tier, persisted, evictable, quota, usage, lost } = await db.storage.refresh();
      return { local, warned, tier, persisted, evictable, room: (quota ?? 0) > (usage ?? 0) && (usage ?? 0) > 0, lost };
    });
    assert.deepEqual(seen, { local: 0, warned: ['opfs'], tier: 'opfs', persisted: false, evictable: true, room: true, lost: false });
  });

  // Firefox asks a person, of whom there is none here.
  if (browser === 'chromium') {
    scenario('asks the browser to keep the database, and says what it answered', async (stage) => {
      const page = await stage.page();
      await openIn(page);
      const seen = await page.run(async () => {
        const granted = await db.requestPersistence();
        return { granted, ...db.storage.getSnapshot() };
      });
      assert.equal(seen.persisted, seen.granted);
      assert.equal(seen.evictable, !seen.granted);
    });
  }

  scenario('does not take a database that vanished for a new one, nor a deleted one for a lost one', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    await page.run(async () => {
      await db.tables.things.insert({ label: 'here' });
      await db.close({ now: true });
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('seaworthy');
      await root.removeEntry('test', { recursive: true });
    });
    const open = () =>
      page.run(async () => {
        globalThis.db = sdk.openDatabase();
        const told: (string | null)[] = [];
        db.on('storage-lost', ({ tier }) => told.push(tier));
        await db.ready;
        return { told, lost: db.storage.getSnapshot().lost, rows: await db.tables.things.count() };
      });
    await reload(page);
    assert.deepEqual(await open(), { told: ['opfs'], lost: true, rows: 0 });
    await reload(page);
    assert.deepEqual(await open(), { told: [], lost: false, rows: 0 });
    await page.run(() => db.delete());
    await reload(page);
    assert.deepEqual(await open(), { told: [], lost: false, rows: 0 });
  });

  scenario('opens a database in the tier where it was made, whatever else is allowed', async (stage) => {
    const page = await stage.page();
    await openIn(page, { storage: 'indexeddb' });
    await page.run(async () => void (await db.tables.things.insert({ label: 'here' })));
    for (const forget of [false, true]) {
      // What the page remembers may be gone: the worker remembers too.
      await page.run((gone) => gone && localStorage.clear(), forget);
      await reload(page);
      await openIn(page);
      const seen = await page.run(async () => ({ tier: db.storage.getSnapshot().tier, rows: await db.tables.things.count() }));
      assert.deepEqual(seen, { tier: 'indexeddb', rows: 1 });
    }
  });
});
