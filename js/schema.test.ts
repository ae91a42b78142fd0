import assert from 'node:assert/strict';
import { test } from 'node:test';
import { blob, boolean, encodeColumn, id, integer, json, real, text, timestamp } from './column.js';
import { BadValue, SchemaMismatch } from './errors.js';
import { definitionOf, type Schema, schema } from './schema.js';
import { table } from './table.js';

function refused(work: () => unknown, words: RegExp): void {
  assert.throws(work, (error) => error instanceof SchemaMismatch && words.test(error.message));
}

test('a schema becomes what the store reads', () => {
  const app = schema(
    {
      lists: table({ id: id(), name: text().unique() }),
      todos: table(
        {
          id: id(),
          list_id: text().references('lists.id', { onDelete: 'cascade' }),
          done: boolean().default(false),
          note: text().nullable(),
          size: integer({ mode: 'bigint' }).default(5n),
          data: blob().default(new Uint8Array([1, 2])),
          tags: json<string[]>().default(['a']),
          colour: text().default(() => 'red'),
          created_at: timestamp().defaultNow(),
        },
        { indexes: [['list_id', 'created_at'], { columns: ['note'], unique: true }], localOnly: true },
      ),
    },
    { version: 3, sql: ['CREATE VIEW IF NOT EXISTS v AS SELECT 1'] },
  );
  assert.deepEqual(definitionOf(app as Schema), {
    version: 3,
    sql: ['CREATE VIEW IF NOT EXISTS v AS SELECT 1'],
    tables: [
      {
        name: 'lists',
        columns: [
          { name: 'id', type: 'TEXT', nullable: false, unique: false },
          { name: 'name', type: 'TEXT', nullable: false, unique: true },
        ],
        primary_key: ['id'],
        indexes: [],
        local_only: false,
      },
      {
        name: 'todos',
        columns: [
          { name: 'id', type: 'TEXT', nullable: false, unique: false },
          { name: 'list_id', type: 'TEXT', nullable: false, unique: false, references: { table: 'lists', column: 'id', on_delete: 'cascade' } },
          { name: 'done', type: 'INTEGER', nullable: false, unique: false, default: 0 },
          { name: 'note', type: 'TEXT', nullable: true, unique: false },
          { name: 'size', type: 'INTEGER', nullable: false, unique: false, default: 5 },
          { name: 'data', type: 'BLOB', nullable: false, unique: false, default: { blob: 'AQI=' } },
          { name: 'tags', type: 'TEXT', nullable: false, unique: false, default: '["a"]' },
          { name: 'colour', type: 'TEXT', nullable: false, unique: false },
          { name: 'created_at', type: 'INTEGER', nullable: false, unique: false, default: 0 },
        ],
        primary_key: ['id'],
        indexes: [
          { columns: ['list_id', 'created_at'], unique: false },
          { columns: ['note'], unique: true },
        ],
        local_only: true,
      },
    ],
  });
});

test('a table without a usable key is refused and told what to change', () => {
  refused(() => schema({ t: table({ a: text() }) }), /Table t has no primary key\. Give it an id\(\)/);
  refused(() => schema({ t: table({ a: text().nullable().primaryKey() }) }), /t\.a is part of the primary key and cannot be nullable/);
  refused(() => schema({ t: table({ a: integer().primaryKey() }) }), /two devices that are offline would choose the same/);
  refused(() => schema({ t: table({ a: text() }, { primaryKey: ['b' as 'a'] }) }), /has no column b/);
});

test('an integer key is fine where the application chooses keys, or the table is local', () => {
  assert.equal(definitionOf(schema({ t: table({ a: integer().primaryKey() }, { keys: 'application' }) }) as Schema).tables[0]?.keys, 'application');
  schema({ t: table({ a: integer().primaryKey() }, { localOnly: true }) });
});

test('a composite key comes from its columns, or from the options in their order', () => {
  const members = { list: text().primaryKey(), user: text().primaryKey() };
  assert.deepEqual(table(members).primaryKey, ['list', 'user']);
  assert.deepEqual(table(members, { primaryKey: ['user', 'list'] }).primaryKey, ['user', 'list']);
});

test('a reference names a column of the schema, also where names have dots', () => {
  const app = schema({ 'a.b': table({ 'c.d': text().primaryKey() }), t: table({ id: id(), r: text().references('a.b.c.d') }) });
  assert.deepEqual(definitionOf(app as Schema).tables[1]?.columns[1]?.references, { table: 'a.b', column: 'c.d', on_delete: 'no action' });
  refused(() => schema({ t: table({ id: id(), r: text().references('lists.id') }) }), /t\.r refers to lists\.id, which is not a column/);
});

test('tables may have any name', () => {
  const app = schema({ constructor: table({ id: id() }), __proto__x: table({ id: id() }) });
  assert.equal(Object.getPrototypeOf(app), null);
  assert.deepEqual(Object.keys(app), ['constructor', '__proto__x']);
});

test('values are encoded by the type of their column', () => {
  const encode = (column: ReturnType<typeof text | typeof json>, value: unknown) => encodeColumn(column.definition, value, 't.c');
  assert.equal(encode(boolean() as never, true), 1);
  assert.equal(encode(timestamp() as never, new Date(7)), 7);
  assert.equal(encode(json(), { a: [1] }), '{"a":[1]}');
  assert.equal(encode(json(), null), 'null');
  assert.equal(encode(json().nullable() as never, null), null);
  assert.equal(encode(integer() as never, 2n ** 60n), 2n ** 60n);
  assert.ok(Object.is(encode(integer() as never, -0), 0));
  assert.ok(Object.is(encode(real() as never, -0), -0));
});

test('a value of another type is refused, naming column and type', () => {
  const cases: [{ definition: ReturnType<typeof text>['definition'] }, unknown, RegExp][] = [
    [text(), 1, /t\.c takes a string, not a number/],
    [text(), null, /not null\. Declare it \.nullable\(\)/],
    [integer(), 1.5, /an integer within 2\^53/],
    [integer(), 2 ** 53, /an integer within 2\^53/],
    [integer({ mode: 'bigint' }), 2n ** 64n, /a bigint of 64 bits/],
    [real(), Number.NaN, /a number/],
    [boolean(), 1, /true or false/],
    [timestamp(), 5, /a valid Date/],
    [timestamp(), new Date('never'), /an invalid Date/],
    [blob(), 'x', /a Uint8Array/],
    [json(), () => 1, /a JSON value/],
  ];
  for (const [column, value, words] of cases) {
    assert.throws(
      () => encodeColumn(column.definition, value, 't.c'),
      (error) => error instanceof BadValue && words.test(error.message),
    );
  }
});
