// Several tabs of one profile: one owns the database, all use it.

import assert from 'node:assert/strict';
import type { TestTab } from './harness.js';
import { holdsLists, inEveryBrowser, listNames, openIn, reload, settled } from './sdk-stage.js';

const insert = (page: TestTab, name: string): Promise<void> =>
  page.run((given) => db.tables.lists.insert({ name: given, owner_id: 'ann' }).then(() => {}), name);
const owner = (page: TestTab) => page.run(() => db.status.getSnapshot().owner);
const owns = (page: TestTab) => page.until('the tab to own the database', () => db.status.getSnapshot().owner === 'this-tab');

/** Watches the lists; `seen` in the page has the last result. */
const watch = (page: TestTab): Promise<void> =>
  page.run(() => {
    db.tables.lists.live().subscribe((rows) => Object.assign(globalThis, { seen: rows.map(({ name }) => name).sort() }));
  });
const sees = (page: TestTab, names: string[]) =>
  page.until(`a live result of ${names}`, (wanted) => JSON.stringify((globalThis as unknown as { seen?: string[] }).seen) === JSON.stringify(wanted), names);

/** Notes the links that are asked for on the database's channel: those over ports are not. */
const listen = (page: TestTab): Promise<void> =>
  page.run(() => {
    const asked: string[] = [];
    Object.assign(globalThis, { asked });
    new BroadcastChannel('seaworthy:test').addEventListener('message', ({ data }) => asked.push(data.type));
  });
const linksAsked = (page: TestTab) => page.run(() => (globalThis as unknown as { asked: string[] }).asked.filter((type) => type === 'connect').length);

/** Writes 300 lists, ten at a time; `written` in the page counts the answers. */
const writeMany = (page: TestTab): Promise<void> =>
  page.run(() => {
    const progress = { written: 0, failed: [] as string[], done: false };
    Object.assign(globalThis, { progress });
    void (async () => {
      for (let round = 0; round < 30; round++) {
        const writes = Array.from({ length: 10 }, (_, nth) => db.tables.lists.insert({ name: `${round}-${nth}`, owner_id: 'ann' }));
        for (const write of writes) await write.then(() => (progress.written += 1)).catch((error: Error) => progress.failed.push(error.message));
      }
      progress.done = true;
    })();
  });
interface Progress {
  readonly written: number;
  readonly failed: readonly string[];
  readonly done: boolean;
}
const progress = (page: TestTab) => page.run(() => (globalThis as unknown as { progress: Progress }).progress);

inEveryBrowser('several tabs', (scenario) => {
  for (const [over, prepare] of [
    ['ports that a SharedWorker brings', async () => {}],
    ['BroadcastChannel', (page: TestTab) => page.run(() => void Object.assign(globalThis, { SharedWorker: undefined }))],
  ] as const) {
    scenario(`every tab reads, writes and watches the one database, over ${over}`, async (stage) => {
      const profile = await stage.profile();
      const [first, second] = [await stage.page(profile), await stage.page(profile)];
      await listen(first);
      for (const page of [first, second]) {
        await prepare(page);
        await openIn(page, { user: 'ann' });
        await watch(page);
      }
      assert.deepEqual([await owner(first), await owner(second)], ['this-tab', 'other-tab']);
      assert.equal((await linksAsked(first)) > 0, over === 'BroadcastChannel', 'the other way was to be tested');
      await insert(second, 'of the second');
      await insert(first, 'of the first');
      for (const page of [first, second]) await sees(page, ['of the first', 'of the second']);
      await settled(second);
      assert.deepEqual(await second.run(() => [db.user?.subject, db.status.getSnapshot().connection]), ['ann', 'online']);
      const rows = await second.run(async () => (await db.all(sdk.sql`SELECT count(*) AS n FROM lists`)) as { n: number }[]);
      assert.deepEqual(rows, [{ n: 2 }]);
      assert.equal((await second.run(() => sdk.failure(() => db.exec(sdk.sql`INSERT INTO nowhere VALUES (1)`))))?.code, 'BadSql');
    });
  }

  scenario('when the tab that owns it closes in the middle of writes, another takes over and every write is made once', async (stage) => {
    const profile = await stage.profile();
    const [first, second] = [await stage.page(profile), await stage.page(profile)];
    await openIn(first);
    await openIn(second);
    await watch(second);
    await writeMany(second);
    await second.until('some writes', () => (globalThis as unknown as { progress: Progress }).progress.written > 20);
    assert.equal(await owner(second), 'other-tab');
    // Taking over fetches nothing.
    await stage.server.stop();
    await first.close();
    await second.until('all writes', () => (globalThis as unknown as { progress: Progress }).progress.done);
    assert.deepEqual(await progress(second), { written: 300, failed: [], done: true });
    await owns(second);
    const names = await listNames(second);
    assert.deepEqual([names.length, new Set(names).size], [300, 300]);
    await sees(second, names);
    assert.equal(await second.run(async () => (await db.writes.pending()).length), 300);
  });

  scenario('a tab that is reloaded gives way, and uses the database through the other', async (stage) => {
    const profile = await stage.profile();
    const [first, second] = [await stage.page(profile), await stage.page(profile)];
    await openIn(first);
    await openIn(second);
    await insert(first, 'before');
    await reload(first);
    await owns(second);
    await openIn(first);
    assert.equal(await owner(first), 'other-tab');
    assert.deepEqual(await listNames(first), ['before']);
    await second.run(() => db.close({ now: true }));
    await owns(first);
    await insert(first, 'after');
    assert.deepEqual(await listNames(first), ['after', 'before']);
  });

  scenario('a transaction of a tab that is gone is rolled back, and the others go on', async (stage) => {
    const profile = await stage.profile();
    const [first, second] = [await stage.page(profile), await stage.page(profile)];
    await openIn(first, { idleMs: 60_000 });
    await openIn(second, { idleMs: 60_000 });
    await second.run(async () => {
      await new Promise<void>((begun) => {
        void db.transaction(async (tx) => {
          await tx.tables.lists.insert({ name: 'never', owner_id: 'ann' });
          begun();
          await new Promise(() => {});
        });
      });
    });
    const late = await first.run(() => sdk.failure(() => db.tables.lists.all({ signal: AbortSignal.timeout(200) })));
    assert.equal(late?.name, 'TimeoutError', 'it waits for the transaction');
    await second.close();
    assert.deepEqual(await listNames(first), []);
  });

  scenario('a database that one tab deletes ends in every tab, and is new when it is opened again', async (stage) => {
    const profile = await stage.profile();
    const [first, second] = [await stage.page(profile), await stage.page(profile)];
    await openIn(first);
    await openIn(second);
    await insert(first, 'gone');
    await second.run(() => db.delete({ discardPending: true }));
    await first.until('the end', () => db.status.getSnapshot().connection === 'closed');
    const failure = await first.run(() => sdk.failure(() => db.tables.lists.all()));
    assert.deepEqual([failure?.code, /deleted in another tab/.test(failure?.message ?? '')], ['Closed', true]);
    await openIn(first);
    assert.deepEqual(await listNames(first), []);
  });

  scenario('a tab that waits, without a word from the owner, while another deletes the database, misses none', async (stage) => {
    const profile = await stage.profile();
    const [first, second] = [await stage.page(profile), await stage.page(profile)];
    await openIn(first);
    await insert(first, 'gone');
    await second.run(async () => {
      const workerUrl = sdk.patchedWorker('BroadcastChannel.prototype.postMessage = () => {};');
      globalThis.db = sdk.openDatabase({ workerUrl });
    });
    await second.until('the tab to wait', () => db.status.getSnapshot().owner === 'other-tab');
    await second.run(() => sdk.pause(500));
    assert.equal(await second.run(() => db.storage.getSnapshot().tier), null, 'it must not have been served');
    await first.run(() => db.delete({ discardPending: true }));
    await owns(second);
    const seen = await second.run(async () => {
      await db.ready;
      return { lost: db.storage.getSnapshot().lost, lists: await db.tables.lists.count() };
    });
    assert.deepEqual(seen, { lost: false, lists: 0 });
  });

  scenario('the user who is switched in one tab is another in every tab, and no call crosses over', async (stage) => {
    const profile = await stage.profile();
    const [first, second] = [await stage.page(profile), await stage.page(profile)];
    for (const page of [first, second]) {
      await page.run(async () => {
        const token = async (): Promise<string> => {
          const user = localStorage.getItem('signed-in') ?? 'ann';
          const answer = await fetch('/dev/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user }) });
          return ((await answer.json()) as { token: string }).token;
        };
        globalThis.db = sdk.seaworthy.open({ name: 'test', schema: sdk.app, sync: { url: '/sync/v1', token } }) as typeof db;
        await db.ready;
      });
    }
    await insert(first, 'ann’s');
    await settled(first);
    await watch(first);
    await sees(first, ['ann’s']);
    await second.run(async () => {
      localStorage.setItem('signed-in', 'eve');
      await db.switchUser();
    });
    await first.until('eve in the first tab', () => db.user?.subject === 'eve');
    await sees(first, []);
    await first.run(() => db.tables.lists.insert({ name: 'eve’s', owner_id: 'eve' }).then(() => {}));
    await holdsLists(second, ['eve’s']);
    await settled(first);
  });

  scenario('a newer release takes over, and a tab of the older one is told to reload', async (stage) => {
    const profile = await stage.profile();
    const [older, newer] = [await stage.page(profile), await stage.page(profile)];
    await openIn(older);
    await insert(older, 'of the older');
    await openIn(newer, { workerUrl: '/next/worker.js' });
    await owns(newer);
    assert.deepEqual(await listNames(newer), ['of the older']);
    await older.until('the older one to be outdated', () => db.status.getSnapshot().owner === 'outdated');
    const failure = await older.run(() => sdk.failure(() => db.tables.lists.all()));
    assert.deepEqual([failure?.code, /Reload the page/.test(failure?.message ?? '')], ['SchemaMismatch', true]);
    const late = await stage.page(profile);
    const refused = await late.run(() => sdk.failure(() => sdk.openDatabase().ready));
    assert.equal(refused?.code, 'SchemaMismatch');
  });

  scenario('a tab whose schema has more takes over, and the other goes on with what it knows', async (stage) => {
    const profile = await stage.profile();
    const [older, newer] = [await stage.page(profile), await stage.page(profile)];
    await openIn(older);
    await insert(older, 'a');
    const seen = await newer.run(async () => {
      const { id, schema, table, text } = sdk.seaworthy;
      const more = schema({ ...sdk.app, labels: table({ id: id(), name: text() }) });
      const wider = sdk.seaworthy.open({ name: 'test', schema: more });
      await wider.tables.labels.insert({ name: 'x' });
      return [(await wider.tables.lists.all()).length, (await wider.tables.labels.all()).length];
    });
    assert.deepEqual(seen, [1, 1]);
    await older.until('the other tab to own it', () => db.status.getSnapshot().owner === 'other-tab');
    await insert(older, 'b');
    assert.deepEqual(await listNames(older), ['a', 'b']);
  });
});
