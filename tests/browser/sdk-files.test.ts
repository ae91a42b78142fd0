// A database leaves as a plain SQLite file and comes back as one, also when it is large and when something goes wrong.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { TestTab } from './harness.js';
import { inEveryBrowser, listNames, openIn, reload, settled } from './sdk-stage.js';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const SQLITE = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'debug/sqlite');

/** Asks SQLite outside of the browser. */
function ask(file: string, ...queries: string[]): string[] {
  return execFileSync(SQLITE, [file, ...queries], { encoding: 'utf8' })
    .trimEnd()
    .split('\n');
}

/** A folder outside of the browser to which pages post files. */
class Disk {
  private constructor(
    readonly folder: string,
    private readonly server: ReturnType<typeof createServer>,
  ) {}

  static async make(): Promise<Disk> {
    const folder = await mkdtemp(path.join(tmpdir(), 'seaworthy-files-'));
    const server = createServer(async (incoming, outgoing) => {
      if (incoming.method === 'POST') await pipeline(incoming, createWriteStream(path.join(folder, path.basename(incoming.url ?? ''))));
      outgoing.writeHead(204, { 'access-control-allow-origin': '*' }).end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new Disk(folder, server);
  }

  /** Saves what a page has as `globalThis.file`. */
  async save(page: TestTab, name: string): Promise<string> {
    const address = this.server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    await page.run(async (url) => {
      await fetch(url, { method: 'POST', body: new Blob([file], { type: 'text/plain' }) });
    }, `http://127.0.0.1:${address.port}/${name}`);
    return path.join(this.folder, name);
  }

  async remove(): Promise<void> {
    this.server.closeAllConnections();
    this.server.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

declare global {
  var file: Blob;
}

/** The name of the folder in which databases are, if it is the only one. */
async function onlyFolder(): Promise<string | null> {
  const top = await (await navigator.storage.getDirectory()).getDirectoryHandle('seaworthy');
  const names: string[] = [];
  for await (const name of top.keys()) names.push(name);
  return names.length === 1 ? (names[0] ?? null) : null;
}

inEveryBrowser('a database as a file', (scenario) => {
  scenario('64 MB leave while writes go on, are what they were when it began, and come back in another database', async (stage) => {
    const disk = await Disk.make();
    try {
      const page = await stage.page();
      await openIn(page);
      const exported = await page.run(async () => {
        const { sql } = sdk;
        await db.exec(sql`WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 80)
          INSERT INTO things (id, bytes) SELECT 'row ' || i, zeroblob(800000) FROM n`);
        await db.tables.lists.insert({ name: 'before', owner_id: 'ann' });
        const progress: number[] = [];
        let total: number | null = 0;
        let during = 0;
        const exporting = db.export({
          onProgress: (now) => {
            progress.push(now.done);
            total = now.total;
          },
        });
        let ended = false;
        void exporting.finally(() => (ended = true));
        while (progress.length === 0 && !ended) await sdk.pause(1);
        while (!ended) {
          await db.exec(sql`INSERT INTO things (id, bytes) VALUES (${`during ${during++}`}, randomblob(100000))`);
          await db.tables.lists.insert({ name: `during ${during}`, owner_id: 'ann' });
        }
        globalThis.file = await exporting;
        const head = new Uint8Array(await file.slice(0, 20).arrayBuffer());
        return { size: file.size, head: String.fromCharCode(...head.subarray(0, 15)), journal: [head[18], head[19]], progress, total, during, type: file.type };
      });
      assert.ok(exported.size > 60_000_000, `${exported.size} bytes`);
      assert.ok(exported.during > 0, 'something was written meanwhile');
      assert.deepEqual([exported.head, exported.journal, exported.type], ['SQLite format 3', [1, 1], 'application/vnd.sqlite3']);
      assert.equal(exported.total, exported.size);
      assert.equal(exported.progress.at(-1), exported.size);
      assert.ok(exported.progress.length > 50 && exported.progress.every((done, at) => done > (exported.progress[at - 1] ?? 0)), 'it is told as it goes');

      const saved = await disk.save(page, 'large.db');
      const queries = [
        'PRAGMA integrity_check',
        'SELECT count(*) FROM things',
        'SELECT group_concat(name) FROM lists',
        'SELECT count(*) FROM seaworthy_outbox',
      ];
      assert.deepEqual(ask(saved, ...queries), ['ok', '80', 'before', '1']);

      const imported = await page.run(async () => {
        const other = sdk.openDatabase({ name: 'other' });
        await other.tables.lists.insert({ name: 'of the other', owner_id: 'ann' });
        const live = other.live(sdk.sql<{ n: number }>`SELECT count(*) AS n FROM things`);
        const seen: (number | undefined)[] = [];
        live.subscribe((rows) => seen.push(rows[0]?.n));
        while (seen.length === 0) await sdk.pause(5);
        const progress: number[] = [];
        const importing = other.import(file, { onProgress: ({ done }) => progress.push(done) });
        const meanwhile = (await other.tables.lists.all()).map(({ name }) => name);
        await importing;
        for (let waited = 0; seen.at(-1) === 0 && waited < 500; waited++) await sdk.pause(10);
        const check = await other.get(sdk.sql<{ integrity_check: string }>`SELECT * FROM pragma_integrity_check`);
        const answer = { meanwhile, seen, last: progress.at(-1), check, lists: (await other.tables.lists.all()).map(({ name }) => name), pending: 0 };
        answer.pending = (await other.writes.pending()).length;
        await other.delete({ discardPending: true });
        return answer;
      });
      assert.deepEqual(imported, {
        meanwhile: ['of the other'],
        seen: [0, 80],
        last: exported.size,
        check: { integrity_check: 'ok' },
        lists: ['before'],
        pending: 1,
      });
    } finally {
      await disk.remove();
    }
  });

  scenario('what is no database, or a damaged one, is refused, and the database is as it was', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const codes = await page.run(async () => {
      const { lists, things } = db.tables;
      for (let n = 0; n < 60; n++) await things.insert({ label: 'x'.repeat(3000) });
      await lists.insert({ name: 'kept', owner_id: 'ann' });
      const good = new Uint8Array(await (await db.export()).arrayBuffer());
      const damaged = good.slice();
      damaged.fill(0xa5, damaged.length / 2, damaged.length / 2 + 40_000);
      const code = async (source: unknown) => {
        const failed = await sdk.failure(() => db.import(source as Blob));
        return failed?.known ? failed.code : failed;
      };
      return {
        text: await code(new Blob(['no database at all '.repeat(100)])),
        empty: await code(new Blob([])),
        cut: await code(good.slice(0, good.length / 2)),
        damaged: await code(damaged),
        nothing: await code('a path'),
        stream: await code(
          new ReadableStream({
            start(controller) {
              controller.enqueue(good.slice(0, 3_000));
              controller.error(new TypeError('the network is gone'));
            },
          }),
        ).then((other) => (other as { message?: string })?.message),
        lists: (await lists.all()).map(({ name }) => name),
      };
    });
    assert.deepEqual(codes, {
      text: 'BadFile',
      empty: 'BadFile',
      cut: 'BadFile',
      damaged: 'BadFile',
      nothing: 'BadValue',
      stream: 'the network is gone',
      lists: ['kept'],
    });
  });

  scenario('an export and an import can be given up, and leave nothing', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const seen = await page.run(async () => {
      for (let n = 0; n < 4; n++) await db.tables.things.insert({ bytes: new Uint8Array(2_000_000) });
      const stopping = () => {
        const stop = new AbortController();
        return { signal: stop.signal, onProgress: () => stop.abort() };
      };
      const exporting = await sdk.failure(() => db.export(stopping()));
      const file = await db.export();
      await db.tables.lists.insert({ name: 'kept', owner_id: 'ann' });
      const importing = await sdk.failure(() => db.import(file, stopping()));
      return { exporting: exporting?.name, importing: importing?.name, lists: (await db.tables.lists.all()).length };
    });
    assert.deepEqual(seen, { exporting: 'AbortError', importing: 'AbortError', lists: 1 });
    assert.equal(await page.until('what came of the file to be deleted', onlyFolder), 'test');
  });

  scenario('an import goes on when its worker is killed, whenever that is', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    await page.run(async () => {
      for (let n = 0; n < 4; n++) await db.tables.things.insert({ bytes: new Uint8Array(2_000_000) });
      await db.tables.lists.insert({ name: 'in the file', owner_id: 'ann' });
      globalThis.file = await db.export();
      await db.tables.lists.insert({ name: 'not in the file', owner_id: 'ann' });
    });
    for (const [round, afterMs] of [0, 5, 15, 40, 90].entries()) {
      const seen = await page.run(
        async ([name, late]) => {
          let pieces = 0;
          let kills = 0;
          const kill = () => {
            kills++;
            sdk.hideAndShow();
          };
          const importing = db.import(file, {
            discardPending: true,
            onProgress: ({ done, total }) => {
              pieces++;
              if (pieces === 3) kill();
              if (done === total) setTimeout(kill, late);
            },
          });
          await importing;
          while (kills < 2) await sdk.pause(5);
          const lists = (await db.tables.lists.all()).map((list) => list.name);
          const { n } = (await db.get(sdk.sql<{ n: number }>`SELECT count(*) AS n FROM things`)) ?? { n: 0 };
          await db.tables.lists.insert({ name, owner_id: 'ann' });
          return { lists, n, kills };
        },
        [`round ${round}`, afterMs] as const,
      );
      assert.deepEqual(seen, { lists: ['in the file'], n: 4, kills: 2 }, `killed ${afterMs} ms after the last piece`);
    }
    await reload(page);
    await openIn(page);
    assert.deepEqual(await listNames(page), ['in the file', 'round 4']);
  });

  scenario('an export is begun anew when its worker is killed in the middle', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    const seen = await page.run(async () => {
      for (let n = 0; n < 4; n++) await db.tables.things.insert({ bytes: new Uint8Array(2_000_000) });
      let pieces = 0;
      const file = await db.export({ onProgress: () => ++pieces === 3 && sdk.hideAndShow() });
      const { size } = file;
      await db.import(file, { discardPending: true });
      return { size, pieces, things: (await db.tables.things.all()).length };
    });
    assert.ok(seen.pieces > Math.ceil(seen.size / 2 ** 20), 'some came twice');
    assert.equal(seen.things, 4);
  });

  scenario('a backup brings back what the server has not seen, on another device, exactly once', async (stage) => {
    const first = await stage.page();
    await openIn(first, { user: 'ann' });
    await settled(first);
    const bytes = await first.run(async () => {
      await db.tables.lists.insert({ id: 'sent', name: 'sent', owner_id: 'ann' });
      while (db.status.getSnapshot().pending > 0) await sdk.pause(10);
      await db.setOnline(false);
      await db.tables.lists.insert({ id: 'queued', name: 'queued', owner_id: 'ann' });
      const file = await db.export();
      await db.setOnline(true);
      return Array.from(new Uint8Array(await file.arrayBuffer()));
    });
    await settled(first);
    const second = await stage.page();
    await openIn(second, { user: 'ann', online: false });
    await second.run(async (given) => {
      await db.import(new Uint8Array(given));
      await db.setOnline(true);
      await db.tables.lists.insert({ id: 'new', name: 'new', owner_id: 'ann' });
    }, bytes);
    await settled(second);
    const names = ['new', 'queued', 'sent'];
    assert.deepEqual(await listNames(second), names);
    await first.until('what the second wrote', async () => (await db.tables.lists.all()).length === 3);
    assert.deepEqual(await listNames(first), names);
    assert.deepEqual(await second.run(async () => (await db.writes.rejected()).length), 0);
  });

  scenario('pending writes are not dropped for a file without a word, and a database in memory has files too', async (stage) => {
    const page = await stage.page();
    await openIn(page, { user: 'ann', online: false, storage: 'memory' });
    const seen = await page.run(async () => {
      await db.tables.lists.insert({ name: 'one', owner_id: 'ann' });
      const file = await db.export();
      await db.tables.lists.insert({ name: 'two', owner_id: 'ann' });
      const refused = await sdk.failure(() => db.import(file));
      const before = (await db.tables.lists.all()).length;
      await db.import(file, { discardPending: true });
      const after = (await db.tables.lists.all()).length;
      await db.tables.lists.insert({ name: 'three', owner_id: 'ann' });
      return { refused: refused?.code, before, after, pending: (await db.writes.pending()).length };
    });
    assert.deepEqual(seen, { refused: 'PendingWrites', before: 2, after: 1, pending: 2 });
  });
});
