// The page of `npm run bench`: what it measures, through the public API only. Each function answers milliseconds.

import { id, integer, open, real, schema, sql, table, text } from 'seaworthy';

const columns = () => ({ id: id(), list_id: text(), title: text(), done: integer(), position: real(), updated_at: integer() });
const app = schema({
  todos: table(columns(), { indexes: [['list_id']] }),
  local_todos: table(columns(), { indexes: [['list_id']], localOnly: true }),
});

const LISTS = 100;
const rows = (count: number, from = 0) =>
  Array.from({ length: count }, (_, i) => ({
    list_id: `list ${i % LISTS}`,
    title: `todo number ${from + i}`,
    done: i % 2,
    position: i + 0.5,
    updated_at: 1_700_000_000_000 + i,
  }));

async function timed(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return performance.now() - start;
}

/** Makes a database with so many rows that wait for no server. */
async function fill(name: string, count: number): Promise<void> {
  await open({ name, schema: app }).tables.local_todos.insertMany(rows(count));
}

/** Opens a database and answers the first query. */
async function openExisting(name: string): Promise<number> {
  return timed(() => open({ name, schema: app }).get(sql`SELECT count(*) FROM local_todos`));
}

/** `todos` is captured for synchronisation. */
type Where = 'todos' | 'local_todos';

/** One durable write, awaited, as often as told. */
async function singleWrites(name: string, where: Where, count: number, durability: 'relaxed' | 'strict'): Promise<number[]> {
  const db = open({ name, schema: app, durability });
  await db.ready;
  const times: number[] = [];
  for (const row of rows(count)) times.push(await timed(() => db.tables[where].insert(row)));
  await db.close();
  return times;
}

/** So many durable writes at once. */
async function writesAtOnce(name: string, count: number): Promise<number> {
  const db = open({ name, schema: app });
  await db.ready;
  const many = rows(count);
  return timed(() => Promise.all(many.map((row) => db.tables.todos.insert(row))));
}

/** Rows in one transaction, and then a change of all of them in another. */
async function bulk(name: string, where: Where, count: number): Promise<{ insert: number; update: number }> {
  const db = open({ name, schema: app });
  await db.ready;
  const many = rows(count);
  const insert = await timed(() => db.tables[where].insertMany(many));
  const update = await timed(() => db.exec(where === 'todos' ? sql`UPDATE todos SET done = 1 - done` : sql`UPDATE local_todos SET done = 1 - done`));
  await db.close();
  return { insert, update };
}

/** Rows to the page. */
async function readAll(name: string, count: number): Promise<number> {
  const db = open({ name, schema: app });
  return timed(async () => {
    const found = await db.all(sql.as(app.local_todos)`SELECT * FROM local_todos LIMIT ${count}`);
    if (found.length !== count) throw new Error(`${found.length} rows, not ${count}`);
  });
}

/** A write, until a live query over its table calls back; as often as told. */
async function liveQuery(name: string, count: number): Promise<number[]> {
  const db = open({ name, schema: app });
  let called: () => void = () => undefined;
  const callback = (): Promise<void> => new Promise((resolve) => (called = resolve));
  const first = callback();
  const stop = db.live(sql`SELECT count(*) AS n FROM todos`).subscribe(() => called());
  await first;
  const times: number[] = [];
  for (const row of rows(count)) {
    const next = callback();
    times.push(await timed(() => Promise.all([db.tables.todos.insert(row), next])));
  }
  stop();
  return times;
}

Object.assign(globalThis, { bench: { fill, openExisting, singleWrites, writesAtOnce, bulk, readAll, liveQuery } });
