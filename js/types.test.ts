// Nothing here does much at run time: `tsc --strict` is the test. A line marked with @ts-expect-error must not compile.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blob, boolean, id, integer, json, real, text, timestamp } from './column.js';
import type { Database } from './database.js';
import type { Receipt } from './receipt.js';
import { schema } from './schema.js';
import { type Sql, sql } from './sql.js';
import { type InsertOf, type RowOf, table, type UpdateOf } from './table.js';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const same = <A, B>(_equal: Equal<A, B>): void => {};

const app = schema({
  lists: table({ id: id(), name: text() }),
  todos: table({
    id: id(),
    list_id: text().references('lists.id'),
    state: text<'open' | 'done'>(),
    done: boolean().default(false),
    note: text().nullable(),
    count: integer(),
    serial: integer({ mode: 'bigint' }),
    ratio: real(),
    data: blob(),
    tags: json<string[]>(),
    created_at: timestamp().defaultNow(),
    seen_at: timestamp().nullable(),
  }),
});

type Row = RowOf<typeof app.todos>;
type Insert = InsertOf<typeof app.todos>;

// What is only typed is put into functions that nobody calls.
type Handle = Database<typeof app>;

test('a row has the types of its columns', () => {
  same<
    Row,
    {
      readonly id: string;
      readonly list_id: string;
      readonly state: 'open' | 'done';
      readonly done: boolean;
      readonly note: string | null;
      readonly count: number;
      readonly serial: bigint;
      readonly ratio: number;
      readonly data: Uint8Array;
      readonly tags: string[];
      readonly created_at: Date;
      readonly seen_at: Date | null;
    }
  >(true);
  assert.ok(app.todos);
});

test('an insert may leave out what has a default or is nullable', () => {
  const least: Insert = { list_id: 'l', state: 'open', count: 1, serial: 1n, ratio: 0.5, data: new Uint8Array(), tags: [] };
  same<Insert['id'], string | undefined>(true);
  same<Insert['done'], boolean | undefined>(true);
  same<UpdateOf<typeof app.todos>['done'], boolean | undefined>(true);
  // @ts-expect-error list_id must be named
  const noList: Insert = { state: 'open', count: 1, serial: 1n, ratio: 0.5, data: new Uint8Array(), tags: [] };
  // @ts-expect-error an unknown state
  const badState: Insert = { ...least, state: 'closed' };
  assert.ok(least && noList && badState);
});

test('queries, tables and live results carry their rows', () => {
  const _typed = async (db: Handle): Promise<void> => {
    same<Awaited<ReturnType<typeof db.tables.todos.all>>, readonly Row[]>(true);
    same<Awaited<ReturnType<typeof db.tables.todos.get>>, Row | undefined>(true);
    const receipt = await db.tables.lists.insert({ name: 'x' });
    same<typeof receipt, Receipt<RowOf<typeof app.lists>>>(true);
    const rows = await db.all(sql.as(app.todos)`SELECT * FROM todos`);
    same<typeof rows, readonly Row[]>(true);
    const counted = await db.get(sql<{ n: number }>`SELECT count(*) AS n FROM todos`);
    same<typeof counted, { n: number } | undefined>(true);
    const snapshot = db.live(sql.as(app.lists)`SELECT * FROM lists`).getSnapshot();
    same<typeof snapshot, readonly RowOf<typeof app.lists>[] | undefined>(true);
    const { value } = await db.transaction(async (tx) => (await tx.tables.lists.insert({ name: 'y' })).rows[0]?.name);
    same<typeof value, string | undefined>(true);
    // @ts-expect-error no such column
    db.tables.todos.where({ nothing: 1 });
    // @ts-expect-error no such column
    db.tables.todos.orderBy('nothing');
    // @ts-expect-error a boolean column
    await db.tables.todos.update('id', { done: 1 });
    // @ts-expect-error a result of a transaction has nothing to confirm
    await db.transaction(async (tx) => (await tx.tables.lists.insert({ name: 'y' })).confirmed());
    // @ts-expect-error rows are read-only
    rows[0].note = 'x';
  };
  assert.ok(_typed);
});

test('columns refuse what does not fit', () => {
  // @ts-expect-error a text default for a number
  integer().default('x');
  // @ts-expect-error only a timestamp has a now
  text().defaultNow();
  // @ts-expect-error a key that is no column
  assert.throws(() => schema({ t: table({ a: text() }, { primaryKey: ['b'] }) }));
  const query: Sql = sql`SELECT 1`;
  assert.ok(query);
});
