// The origin's storage is full, wherever SQLite may meet it: the call says so, nothing is lost, and work goes on when there is room.

import assert from 'node:assert/strict';
import { launch, type TestTab } from './harness.js';
import { inBrowser, openIn, reload } from './sdk-stage.js';

/** Opens the database with a worker that tells what the browser refuses to write. */
async function openWatched(page: TestTab): Promise<void> {
  const workerUrl = await page.run(() => sdk.watchingWorker());
  await openIn(page, { workerUrl });
}

/** Gives the page's origin so much room behind what it uses. */
async function leaveRoom(page: TestTab, bytes: number): Promise<void> {
  const usage = await page.run(async () => (await navigator.storage.estimate()).usage ?? 0);
  await page.quota(usage + bytes);
}

/** The files that the browser refused to write to since the last time. */
function refusals(page: TestTab): Promise<string[]> {
  return page.run(async () => {
    await sdk.pause(50);
    return [...new Set(sdk.refused.splice(0).map(({ file }) => file))].sort();
  });
}

/** Whether the database is whole, and every write is queued once. */
async function isWhole(page: TestTab): Promise<void> {
  const seen = await page.run(async () => {
    const check = await db.get(sdk.sql<{ integrity_check: string }>`SELECT * FROM pragma_integrity_check`);
    const lists = await db.get(sdk.sql<{ n: number }>`SELECT count(*) AS n FROM lists`);
    return { check: check?.integrity_check, lists: lists?.n, pending: (await db.writes.pending()).length };
  });
  assert.equal(seen.check, 'ok');
  assert.equal(seen.lists, seen.pending);
}

inBrowser(
  'a full disk',
  'chromium',
  () => launch('chromium'),
  (scenario) => {
    scenario('in the middle of a transaction, and at a commit of many writes at once', async (stage) => {
      const page = await stage.page();
      await openWatched(page);
      await page.run(() => db.tables.lists.insert({ name: 'before', owner_id: 'ann' }).then(() => {}));
      await leaveRoom(page, 6_000_000);
      const seen = await page.run(async () => {
        const large = sdk.sql`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 100)
        INSERT INTO things (id, bytes) SELECT hex(randomblob(8)), randomblob(100000) FROM n`;
        let steps = 0;
        const transaction = await sdk.failure(() =>
          db.transaction(async (tx) => {
            await tx.tables.lists.insert({ name: 'of the transaction', owner_id: 'ann' });
            for (; steps < 10; steps++) await tx.exec(large);
          }),
        );
        const alone = await sdk.failure(() => db.exec(large));
        const many = Array.from({ length: 30 }, (_, n) => db.tables.lists.insert({ name: `${n} ${'x'.repeat(400_000)}`, owner_id: 'ann' }));
        const results = await Promise.allSettled(many);
        const failed = results.filter((result) => result.status === 'rejected');
        const names = async () => (await db.tables.lists.all()).map(({ name }) => name.split(' ')[0]);
        return {
          codes: [...new Set([transaction?.code, alone?.code, ...failed.map(({ reason }) => reason.code)])],
          steps,
          failed: failed.length,
          made: results.flatMap(({ status }, n) => (status === 'fulfilled' ? [String(n)] : [])).sort(),
          kept: (await names()).filter((name) => name !== 'before').sort(),
          things: (await db.tables.things.all()).length,
        };
      });
      assert.deepEqual(seen.codes, ['QuotaExceeded']);
      assert.ok(seen.steps < 10, 'it met the end inside');
      assert.ok(seen.failed > 0 && seen.failed < 30, `${seen.failed} of 30 had no room`);
      assert.deepEqual(seen.kept, seen.made, 'what was answered is there, and nothing else');
      assert.equal(seen.things, 0);
      assert.ok((await refusals(page)).includes('db-wal'), 'the fault came');
      await isWhole(page);
      await page.quota(null);
      await page.run(() => db.tables.lists.insert({ name: 'after', owner_id: 'ann' }).then(() => {}));
      await reload(page);
      await openIn(page);
      await isWhole(page);
      assert.equal(await page.run(() => db.tables.lists.count()), seen.made.length + 2);
    });

    scenario('in a checkpoint: commits go on in the log until that is full too, and it is made up for', async (stage) => {
      const page = await stage.page();
      await openWatched(page);
      await leaveRoom(page, 12_000_000);
      const made = await page.run(async () => {
        let rows = 0;
        // SQLite moves the log into the file when it has 8 MB, for which there is no room twice.
        const write = () => db.tables.lists.insert({ name: `${rows} ${'x'.repeat(200_000)}`, owner_id: 'ann' });
        while (sdk.refused.length === 0 && rows < 100) {
          if (await sdk.failure(write)) break;
          rows++;
          // The worker tells of the refusal beside its answers: hear it before the log is full too.
          await sdk.pause(20);
        }
        return rows;
      });
      assert.deepEqual(await refusals(page), ['db'], 'the fault came in the checkpoint, and its commit stands');
      const full = await page.run(async () => {
        for (let n = 0; n < 100; n++) {
          const failed = await sdk.failure(() => db.tables.lists.insert({ id: `late ${n}`, name: 'x'.repeat(200_000), owner_id: 'ann' }));
          if (failed) return { n, code: failed.code };
        }
        return null;
      });
      assert.equal(full?.code, 'QuotaExceeded');
      await isWhole(page);
      // A close, a kill and a start while nothing fits: what is in the log is read from there.
      await page.run(() => sdk.hideAndShow());
      assert.equal(await page.run(() => db.tables.lists.count()), made + full.n);
      await page.quota(null);
      await page.run(() => db.tables.lists.insert({ name: 'after', owner_id: 'ann' }).then(() => {}));
      await isWhole(page);
      const size = await page.run(async () => (await db.export()).size);
      assert.ok(size > made * 200_000, 'the log was moved into the file');
    });

    scenario('in a migration: the database is not opened, is as it was, and is opened when there is room', async (stage) => {
      const page = await stage.page();
      await openIn(page);
      await page.run(async () => {
        for (let n = 0; n < 20; n++) {
          await db.exec(sdk.sql`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 200)
          INSERT INTO things (id, label) SELECT ${`${n}-`} || i, hex(randomblob(1000)) FROM n`);
        }
        await db.close({ now: true });
      });
      await leaveRoom(page, 300_000);
      const openNext = () => {
        const { id, integer, open, schema, table, text } = sdk.seaworthy;
        const columns = { id: id(), n: integer().nullable(), label: text().nullable(), added: text().default('here') };
        const next = schema({ things: table(columns, { localOnly: true, indexes: [['label']] }) });
        return open({ name: 'test', schema: next, workerUrl: sdk.watchingWorker() });
      };
      await page.run((text) => Object.assign(globalThis, { openNext: new Function(`return (${text})()`) }), String(openNext));
      const full = await page.run(async () => {
        const next = (globalThis as unknown as { openNext: typeof openNext }).openNext();
        const failed = await sdk.failure(() => next.ready);
        await next.close({ now: true });
        return failed;
      });
      assert.equal(full?.code, 'QuotaExceeded');
      assert.deepEqual(await refusals(page), ['db-wal'], 'the fault came');
      await openIn(page);
      const former = await page.run(async () => {
        const columns = await db.all(sdk.sql<{ name: string }>`SELECT name FROM pragma_table_info('things')`);
        const answer = { added: columns.some(({ name }) => name === 'added'), rows: await db.tables.things.count() };
        await db.close({ now: true });
        return answer;
      });
      assert.deepEqual(former, { added: false, rows: 4000 }, 'the former release still opens it');
      await page.quota(null);
      const next = await page.run(async () => {
        const next = (globalThis as unknown as { openNext: typeof openNext }).openNext();
        const row = await next.tables.things.get('3-7');
        const check = await next.get(sdk.sql<{ integrity_check: string }>`SELECT * FROM pragma_integrity_check`);
        return { added: row?.added, rows: await next.tables.things.count(), check: check?.integrity_check };
      });
      assert.deepEqual(next, { added: 'here', rows: 4000, check: 'ok' });
    });

    scenario('in an import: the database is as it was, and nothing of the file is left', async (stage) => {
      const page = await stage.page();
      await openIn(page);
      await page.run(async () => {
        await db.tables.lists.insert({ name: 'kept', owner_id: 'ann' });
        globalThis.file = new Blob([new Uint8Array(await (await db.export()).arrayBuffer()), new Uint8Array(8_000_000)]);
      });
      await leaveRoom(page, 3_000_000);
      const failed = await page.run(async () => {
        let done = 0;
        const failed = await sdk.failure(() => db.import(file, { onProgress: (progress) => (done = progress.done) }));
        return { code: failed?.code, done, lists: await db.tables.lists.count() };
      });
      assert.equal(failed.code, 'QuotaExceeded');
      assert.ok(failed.done > 0 && failed.done < 8_000_000, 'in the middle');
      assert.equal(failed.lists, 1);
      await page.until('the room to be free again', async () => ((await navigator.storage.estimate()).usage ?? 0) < 2_000_000);
      await isWhole(page);
    });

    scenario('in an export: what is in the log needs room in the file, and where nothing is there it needs none', async (stage) => {
      const page = await stage.page();
      await openWatched(page);
      await page.run(async () => {
        for (let n = 0; n < 10; n++) await db.tables.lists.insert({ name: `${n} ${'x'.repeat(200_000)}`, owner_id: 'ann' });
      });
      await leaveRoom(page, 0);
      const code = await page.run(async () => (await sdk.failure(() => db.export()))?.code);
      assert.equal(code, 'QuotaExceeded');
      assert.deepEqual(await refusals(page), ['db'], 'the fault came');
      await isWhole(page);
      await page.quota(null);
      await page.run(() => db.export().then(() => {}));
      await leaveRoom(page, 0);
      const seen = await page.run(async () => {
        const file = await db.export();
        const full = await sdk.failure(() => db.tables.lists.insert({ name: 'x'.repeat(9_000_000), owner_id: 'ann' }));
        const copy = sdk.openDatabase({ name: 'copy', storage: 'memory' });
        await copy.import(file);
        return { full: full?.code, lists: await copy.tables.lists.count(), pending: (await copy.writes.pending()).length };
      });
      assert.deepEqual(seen, { full: 'QuotaExceeded', lists: 10, pending: 10 });
      assert.ok((await refusals(page)).includes('db-wal'), 'there was no room');
      await isWhole(page);
    });
  },
);
