// Workers that die while calls are under way, and what becomes of the calls. What is on the disk then, sdk-crash.test.ts looks at.

import assert from 'node:assert/strict';
import { inEveryBrowser, openIn } from './sdk-stage.js';

const WRITES = 200;

inEveryBrowser('a worker that dies', (scenario) => {
  scenario('and is replaced by the page answers every write once, also those that were under way', async (stage) => {
    const page = await stage.page();
    await openIn(page, { user: 'ann', online: false });
    const seen = await page.run(async (writes) => {
      await db.tables.lists.insert({ id: 'counter', name: 'counter', owner_id: 'ann', position: 0 });
      const live: number[] = [];
      db.live(sdk.sql<{ position: number }>`SELECT position FROM lists WHERE id = 'counter'`).subscribe(([row]) => row && live.push(row.position));
      let answered = 0;
      const all: Promise<void>[] = [];
      const raise = async () => {
        const { changes } = await db.exec(sdk.sql`UPDATE lists SET position = position + 1 WHERE id = 'counter'`);
        answered += changes;
      };
      const begin = (count: number) => all.push(...Array.from({ length: count }, raise));
      const restarts: number[] = [];
      while (all.length < writes) {
        begin(10);
        // A worker gets on with it for a moment before it is ended, or none would ever be done.
        const before = answered;
        while (answered === before) await sdk.pause(1);
        begin(10);
        restarts.push(all.length - answered);
        sdk.hideAndShow();
      }
      await Promise.all(all);
      const position = (await db.tables.lists.get('counter'))?.position;
      for (let waited = 0; live.at(-1) !== position && waited < 100; waited++) await sdk.pause(20);
      return { answered, position, pending: (await db.writes.pending()).length, restarts, live: live.at(-1) };
    }, WRITES);
    assert.ok(seen.restarts.length > 2 && !seen.restarts.includes(0), 'no worker was ended while writes were under way');
    assert.deepEqual({ ...seen, restarts: [] }, { answered: WRITES, position: WRITES, pending: WRITES + 1, restarts: [], live: WRITES });
  });

  scenario('fails the transaction that it ran, which runs again where the caller says so', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const seen = await page.run(async () => {
      const run = (retry: boolean) => {
        let runs = 0;
        return db
          .transaction(
            async (tx) => {
              await tx.tables.lists.insert({ name: `retry ${retry}`, owner_id: 'ann' });
              if (++runs === 1) sdk.hideAndShow();
              await tx.tables.lists.all();
              return runs;
            },
            { retry },
          )
          .then(({ value }) => value);
      };
      const failed = await sdk.failure(() => run(false));
      const runs = await run(true);
      return { failed: failed?.code, runs, names: (await db.tables.lists.all()).map(({ name }) => name) };
    });
    assert.deepEqual(seen, { failed: 'LeaderLost', runs: 2, names: ['retry true'] });
  });

  scenario('of a trap in the wasm is replaced: the call that traps again is given up, and all others are answered', async (stage) => {
    const page = await stage.page();
    const seen = await page.run(async () => {
      globalThis.db = sdk.openDatabase({ workerUrl: sdk.trappingWorker('poison') });
      await db.ready;
      const counts: number[] = [];
      db.tables.lists.live().subscribe((rows) => counts.push(rows.length));
      await db.tables.lists.insert({ name: 'before', owner_id: 'ann' });
      const [poisoned, written, read] = await Promise.all([
        sdk.failure(() => db.all(sdk.sql`SELECT 'poison'`)),
        db.tables.lists.insert({ name: 'meanwhile', owner_id: 'ann' }),
        db.tables.lists.count(),
      ]);
      await db.tables.lists.insert({ name: 'after', owner_id: 'ann' });
      for (let waited = 0; counts.at(-1) !== 3 && waited < 100; waited++) await sdk.pause(20);
      return { code: poisoned?.code, cause: poisoned?.cause, changes: written.changes, read, live: counts.at(-1), workers: sdk.workers.length };
    });
    assert.deepEqual(seen, { code: 'WorkerFailed', cause: 'crashed', changes: 1, read: 2, live: 3, workers: 3 });
  });
});
