// The package without a network: reading, writing, watching, transactions, values and errors, on the built package.

import assert from 'node:assert/strict';
import { inEveryBrowser, loaded, openIn, reload } from './sdk-stage.js';

inEveryBrowser('the package alone', (scenario) => {
  scenario('what was written is there after a reload', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const written = await page.run(async () => {
      const receipt = await db.tables.lists.insert({ name: 'Shopping', owner_id: 'ann' });
      return { changes: receipt.changes, rows: receipt.rows };
    });
    assert.equal(written.changes, 1);
    assert.equal(written.rows[0]?.name, 'Shopping');
    await reload(page);
    await openIn(page);
    assert.deepEqual(await page.run(() => db.tables.lists.all()), written.rows);
  });

  scenario('the worker needs no network for the module that the page has, and loads it where the page has none', async (stage) => {
    const page = await stage.page();
    const seen = await page.run(async () => {
      const offline = URL.createObjectURL(new Blob(['globalThis.fetch = () => Promise.reject(new Error("no network"));'], { type: 'text/javascript' }));
      const script = `import ${JSON.stringify(offline)}; import ${JSON.stringify(new URL('/worker.js', location.href).href)};`;
      const workerUrl = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
      const given = sdk.openDatabase({ name: 'given', workerUrl });
      await given.tables.lists.insert({ name: 'one', owner_id: 'ann' });
      sdk.hideAndShow();
      await given.tables.lists.insert({ name: 'two', owner_id: 'ann' });
      const fetched = performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.wasm')).length;
      WebAssembly.compileStreaming = () => Promise.reject(new Error('the page may not'));
      const loaded = sdk.openDatabase({ name: 'loaded', wasmUrl: '/seaworthy.wasm?loaded' });
      await loaded.tables.lists.insert({ name: 'three', owner_id: 'ann' });
      return { given: await given.tables.lists.count(), fetched, loaded: await loaded.tables.lists.count(), workers: sdk.workers.length };
    });
    assert.deepEqual(seen, { given: 2, fetched: 1, loaded: 1, workers: 3 });
  });

  scenario('every value comes back as it was written, through the store and its packed answer', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const differences = await page.run(async () => {
      const { things } = db.tables;
      const written = {
        n: Number.MAX_SAFE_INTEGER,
        serial: 2n ** 53n + 1n,
        ratio: 5e-324,
        flag: true,
        label: 'naïve \0 🌊\ufeff',
        bytes: new Uint8Array(),
        at: new Date(1234),
        tags: ['a', '"'],
      };
      const { rows } = await things.insert(written);
      const empty = (await things.insert({})).rows[0];
      const read = await things.get(rows[0]?.id ?? '');
      const differing: string[] = [];
      const check = (what: string, good: boolean | undefined) => good || differing.push(what);
      check('n', read?.n === written.n);
      check('serial', read?.serial === written.serial);
      check('ratio', read?.ratio === 5e-324);
      check('flag', read?.flag === true);
      check('label', read?.label === written.label);
      check('bytes', read?.bytes?.length === 0);
      check('at', read?.at?.getTime() === 1234);
      check('tags', JSON.stringify(read?.tags) === '["a","\\""]');
      const none = await things.get(empty?.id ?? '');
      check('nulls', none?.n === null && none.serial === null && none.bytes === null && none.tags === null && none.flag === null);
      // A file of SQLite holds 0.0 for -0.0; a bound value keeps its sign.
      check('-0', Object.is((await db.get(sdk.sql`SELECT ${-0} AS v`))?.v, -0));
      const lone = await db.get(sdk.sql<{ v: string }>`SELECT ${'a\ud800b'} AS v`);
      check('lone surrogate', lone?.v === 'a\ufffdb');
      const exact = await db.get(
        sdk.sql`SELECT ${2n ** 63n - 1n} AS a, ${-(2n ** 63n)} AS b, ${1.5} AS c, ${null} AS d, typeof(${1}) AS e, typeof(${0.5}) AS f`,
      );
      check('extremes', exact?.a === 2n ** 63n - 1n && exact.b === -(2n ** 63n) && exact.c === 1.5 && exact.d === null);
      check('types', exact?.e === 'integer' && exact.f === 'real');
      const mixed = await db.all(sdk.sql<{ v: unknown }>`SELECT 1 AS v UNION ALL SELECT 'x' UNION ALL SELECT NULL UNION ALL SELECT 2.5 UNION ALL SELECT x'0a'`);
      check('mixed', mixed[0]?.v === 1 && mixed[1]?.v === 'x' && mixed[2]?.v === null && mixed[3]?.v === 2.5 && String(mixed[4]?.v) === '10');
      const renamed = await db.get(sdk.sql<{ f: unknown; at: unknown }>`SELECT flag AS f, at FROM things WHERE id = ${rows[0]?.id ?? ''}`);
      check('by origin', renamed?.f === true && renamed.at instanceof Date);
      return differing;
    });
    assert.deepEqual(differences, []);
  });

  scenario('the table helpers build what they say', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const seen = await page.run(async () => {
      const { things } = db.tables;
      const { sql } = sdk;
      await things.insertMany(
        Array.from({ length: 50 }, (_, n) => ({ id: `t${String(n).padStart(2, '0')}`, n, flag: n % 2 === 0, label: n < 10 ? null : `l${n}` })),
      );
      const ids = async (query: { all(): Promise<readonly { id: string }[]> }) => (await query.all()).map(({ id }) => id).join();
      const updated = await things.update('t00', { label: 'changed', tags: ['x'] });
      const upserted = await things.upsert({ id: 't01', label: 'set' });
      const inserted = await things.upsert({ id: 'new', n: 99 });
      return {
        where: await ids(things.where({ flag: true, label: null })),
        fragment: await ids(things.where({ flag: false }).where(sql`n > ${45} OR n = ${1}`)),
        list: await ids(things.where(sql`id ${sql.in(['t07', 't03', 'none'])}`)),
        none: await things.where(sql`id ${sql.in([])}`).count(),
        order: await ids(things.where(sql`n < ${40}`).orderBy('flag').orderBy('n', 'desc').limit(2, 1)),
        count: await things.count(),
        updated: [updated.changes, updated.rows[0]?.label, updated.rows[0]?.n],
        upserted: [upserted.rows[0]?.n, upserted.rows[0]?.label],
        inserted: inserted.rows[0]?.n,
        many: (await things.where(sql`n >= ${40}`).update({ flag: false })).changes,
        gone: [(await things.delete('t02')).changes, (await things.delete('t02')).changes, await things.get('t02')],
        empty: (await things.insertMany([])).changes,
      };
    });
    assert.deepEqual(seen, {
      where: 't02,t04,t06,t08',
      fragment: 't01,t47,t49',
      list: 't03,t07',
      none: 0,
      order: 't37,t35',
      count: 51,
      updated: [1, 'changed', 0],
      upserted: [1, 'set'],
      inserted: 99,
      many: 11,
      gone: [1, 0, undefined],
      empty: 0,
    });
  });

  scenario('a transaction is all or nothing, and nobody sees half of it', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const seen = await page.run(async () => {
      const { sql } = sdk;
      const count = async () => (await db.get(sql<{ n: number }>`SELECT count(*) AS n FROM lists`))?.n;
      const outside: Promise<unknown>[] = [];
      const receipt = await db.transaction(async (tx) => {
        await tx.tables.lists.insert({ name: 'one', owner_id: 'ann' });
        outside.push(count());
        await tx.exec(sql`INSERT INTO lists (id, name, owner_id, position, created_at) VALUES ('two', 'two', 'ann', 0, 0)`);
        return (await tx.all(sql`SELECT * FROM lists`)).length;
      });
      const thrown = await sdk.failure(() =>
        db.transaction(async (tx) => {
          await tx.tables.lists.insert({ name: 'three', owner_id: 'ann' });
          throw new Error('changed my mind');
        }),
      );
      const refused = await sdk.failure(() => db.batch([sql`DELETE FROM lists`, sql`INSERT INTO lists (id) VALUES (${'x'})`]));
      const batch = await db.batch([sql`UPDATE lists SET position = 1`, sql`SELECT count(*) AS n FROM lists`]);
      return { inside: receipt.value, outside: await outside[0], after: await count(), thrown: thrown?.message, refused: refused?.code, batch: batch.results };
    });
    assert.deepEqual(seen, {
      inside: 2,
      outside: 2,
      after: 2,
      thrown: 'changed my mind',
      refused: 'ConstraintViolation',
      batch: [
        { changes: 2, rows: [] },
        { changes: 0, rows: [{ n: 2 }] },
      ],
    });
  });

  scenario('a transaction that waits too long is rolled back and says why', async (stage) => {
    const page = await stage.page();
    await openIn(page, { idleMs: 150 });
    const seen = await page.run(async () => {
      const inner: unknown[] = [];
      const failed = await sdk.failure(() =>
        db.transaction(async (tx) => {
          await tx.tables.lists.insert({ name: 'lost', owner_id: 'ann' });
          inner.push(await db.all(sdk.sql`SELECT * FROM lists`));
          await tx.tables.lists.all();
        }),
      );
      return { failed: [failed?.code, failed?.message], inner, rows: await db.tables.lists.all() };
    });
    assert.equal(seen.failed[0], 'TransactionTimeout');
    assert.match(seen.failed[1] ?? '', /idle for 150 ms.*you used db inside db\.transaction; use tx/);
    assert.deepEqual([seen.inner, seen.rows], [[[]], []]);
  });

  scenario('errors are typed and say what to do', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const codes = await page.run(async () => {
      const { sql } = sdk;
      const { lists, things } = db.tables;
      await lists.insert({ id: 'l', name: 'x', owner_id: 'ann' });
      const code = async (work: () => unknown) => {
        const failed = await sdk.failure(work);
        return failed?.known ? failed.code : failed;
      };
      await db.exec(sql`INSERT INTO things (id, n) VALUES ('big', ${2n ** 60n})`);
      return {
        unique: await code(() => lists.insert({ id: 'l', name: 'y', owner_id: 'ann' })),
        foreign: await code(() => db.tables.todos.insert({ list_id: 'none', title: 'x', owner_id: 'ann' })),
        syntax: await code(() => db.all(sql`SELEC 1`)),
        table: await code(() => db.all(sql`SELECT * FROM nowhere`)),
        writeInRead: await code(() => db.all(sql`DELETE FROM lists`)),
        value: await code(() => lists.insert({ name: 5 as unknown as string, owner_id: 'ann' })),
        column: await code(() => lists.insert({ name: 'x', owner_id: 'ann', nothing: 1 } as never)),
        range: await code(() => things.all()),
        ended: await code(async () => {
          let leaked: { all(query: typeof counting): Promise<unknown> } | undefined;
          const counting = sql`SELECT 1`;
          await db.transaction((tx) => {
            leaked = tx;
          });
          await leaked?.all(counting);
        }),
        aborted: (await sdk.failure(() => db.all(sql`SELECT 1`, { signal: AbortSignal.abort() })))?.name,
      };
    });
    assert.deepEqual(codes, {
      unique: 'ConstraintViolation',
      foreign: 'ConstraintViolation',
      syntax: 'BadSql',
      table: 'BadSql',
      writeInRead: 'NotAllowed',
      value: 'BadValue',
      column: 'BadValue',
      range: 'IntegerOutOfRange',
      ended: 'NotAllowed',
      aborted: 'AbortError',
    });
  });

  scenario('a live query follows the data, keeps what did not change, and stops when it is left', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const seen = await page.run(async () => {
      const { lists, things } = db.tables;
      const live = lists.orderBy('name').live();
      const deliveries: (readonly { id: string; name: string }[])[] = [];
      const next = async (count: number) => {
        for (let waited = 0; deliveries.length < count && waited < 300; waited++) await sdk.pause(10);
        return deliveries.at(-1) ?? [];
      };
      const stop = live.subscribe((rows) => deliveries.push(rows));
      await next(1);
      await lists.insert({ id: 'b', name: 'b', owner_id: 'ann' });
      const [first] = await next(2);
      await lists.insert({ id: 'a', name: 'a', owner_id: 'ann' });
      const two = await next(3);
      await things.insert({ label: 'elsewhere' });
      await lists.where({ id: 'none' }).update({ name: 'z' });
      await sdk.pause(100);
      const quiet = deliveries.length;
      await db.transaction(async (tx) => {
        await tx.tables.lists.insert({ id: 'c', name: 'c', owner_id: 'ann' });
        await sdk.pause(60);
        await tx.tables.lists.delete('c');
      });
      await sdk.pause(100);
      const unseen = deliveries.length;
      stop();
      await lists.delete('a');
      await sdk.pause(100);
      let turns = 0;
      for await (const rows of lists.live()) {
        turns++;
        if (rows.length === 0) break;
        await lists.where({}).delete();
      }
      return {
        sizes: deliveries.map((rows) => rows.length),
        kept: two[1] === first,
        frozenSnapshot: live.getSnapshot() === deliveries.at(-1) || live.getSnapshot()?.length,
        quiet,
        unseen,
        turns,
        shared: lists.orderBy('name').live() === live,
      };
    });
    assert.deepEqual(seen.sizes, [0, 1, 2]);
    assert.deepEqual([seen.kept, seen.quiet, seen.unseen, seen.turns, seen.shared], [true, 3, 3, 2, true]);
  });

  scenario('20,000 rows cross in one call each way', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const seen = await page.run(async () => {
      const rows = Array.from({ length: 20_000 }, (_, n) => ({ n, label: `row ${n}`, flag: n % 3 === 0, ratio: n / 2 }));
      const { changes } = await db.tables.things.insertMany(rows);
      const back = await db.tables.things.orderBy('n').all();
      const last = back.at(-1);
      return { changes, count: back.length, last: [last?.n, last?.label, last?.flag, last?.ratio], distinct: new Set(back.map(({ id }) => id)).size };
    });
    assert.deepEqual(seen, { changes: 20_000, count: 20_000, last: [19_999, 'row 19999', false, 9999.5], distinct: 20_000 });
  });

  scenario('closing, deleting and memory', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const seen = await page.run(async () => {
      await db.tables.lists.insert({ name: 'x', owner_id: 'ann' });
      const same = sdk.openDatabase() === db;
      await db.close({ now: true });
      const closed = (await sdk.failure(() => db.tables.lists.all()))?.code;
      const again = sdk.openDatabase();
      const kept = await again.tables.lists.count();
      await again.delete();
      const deleted = (await sdk.failure(() => again.tables.lists.all()))?.code;
      const fresh = await sdk.openDatabase().tables.lists.count();
      const memory = sdk.openDatabase({ name: 'memory', storage: 'memory' });
      await memory.tables.lists.insert({ name: 'gone', owner_id: 'ann' });
      return { same, closed, kept, deleted, fresh, memory: await memory.tables.lists.count() };
    });
    assert.deepEqual(seen, { same: true, closed: 'Closed', kept: 1, deleted: 'Closed', fresh: 0, memory: 1 });
    await page.reload();
    await loaded(page);
    assert.equal(await page.run(() => sdk.openDatabase({ name: 'memory', storage: 'memory' }).tables.lists.count()), 0);
  });
});
