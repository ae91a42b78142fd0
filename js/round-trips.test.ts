// How often a call goes to the worker and back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeWorker, settle } from '../tests/unit/fake-worker.js';
import { id, text } from './column.js';
import { Core } from './core.js';
import { Database } from './database.js';
import type { Answers, OpenRequest } from './messages.js';
import { schema } from './schema.js';
import { sql } from './sql.js';
import { table } from './table.js';

const tables = { todos: table({ id: id(), title: text() }) };
const app = schema(tables);
const RECEIPT = { id: 'tx', sequence: 1, changes: 1 };
/** No statement. */
const EMPTY = new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]);
const ANSWERS: Partial<Answers> = { write: { receipt: RECEIPT, buffer: EMPTY }, read: EMPTY, live: EMPTY, begin: null, step: EMPTY, commit: RECEIPT };

/** What a call asks of the worker. */
async function asked(work: (db: Database<typeof tables>) => unknown): Promise<string[]> {
  const worker = new FakeWorker();
  const core = new Core(
    { start: () => worker, broker: () => null, remembered: () => true, alive: null, diagnose: () => Promise.reject(), helloMs: 5000 },
    { name: 'x', storage: ['memory'] as const } as unknown as OpenRequest,
    app,
    () => null,
    () => {},
  );
  const opening = core.open();
  worker.open();
  await opening;
  const db = new Database('x', app, core, { ready: opening, release: async () => {}, forget: () => {} });
  worker.requests.length = 0;
  const working = Promise.resolve(work(db));
  for (let answered = 0, idle = 0; idle < 3; idle++) {
    await settle();
    for (; answered < worker.requests.length; answered++, idle = 0) {
      const { op } = worker.requests[answered] as (typeof worker.requests)[number];
      if (op in ANSWERS) worker.answer(op, ANSWERS[op as keyof Answers] as never);
    }
  }
  await working;
  const ops = worker.ops();
  worker.terminate();
  core.connection.stop();
  return ops;
}

test('a call is one round trip, however many statements and rows it has', async () => {
  const rows = Array.from({ length: 1000 }, (_, n) => ({ title: String(n) }));
  assert.deepEqual(await asked((db) => db.tables.todos.insert({ title: 'x' })), ['write']);
  assert.deepEqual(await asked((db) => db.tables.todos.insertMany(rows)), ['write']);
  assert.deepEqual(await asked((db) => db.tables.todos.update('a', { title: 'y' })), ['write']);
  assert.deepEqual(await asked((db) => db.batch([sql`DELETE FROM todos`, sql`SELECT 1`, sql`SELECT 2`])), ['write']);
  assert.deepEqual(await asked((db) => db.tables.todos.where({ title: 'x' }).all()), ['read']);
  assert.deepEqual(await asked((db) => db.get(sql`SELECT 1`)), ['read']);
  assert.deepEqual(await asked((db) => void db.live(sql`SELECT 1`).subscribe(() => {})), ['live']);
});

test('an interactive transaction costs one for each statement and two more', async () => {
  const ops = await asked((db) =>
    db.transaction(async (tx) => {
      await tx.tables.todos.insert({ title: 'x' });
      await tx.all(sql`SELECT 1`);
    }),
  );
  assert.deepEqual(ops, ['begin', 'step', 'step', 'commit']);
});
