import assert from 'node:assert/strict';
import { test } from 'node:test';
import { text } from './column.js';
import { BadValue } from './errors.js';
import { Sql, sql } from './sql.js';
import { table } from './table.js';

function refused(work: () => unknown, words: RegExp): void {
  assert.throws(work, (error) => error instanceof BadValue && words.test(error.message));
}

test('every value is bound, in order', () => {
  const query = sql`SELECT * FROM t WHERE a = ${1} AND b = ${'x'} AND c = ${null} AND d = ${7n} AND e = ${new Uint8Array([1])}`;
  assert.equal(query.text, 'SELECT * FROM t WHERE a = ? AND b = ? AND c = ? AND d = ? AND e = ?');
  assert.deepEqual(query.values, [1, 'x', null, 7n, new Uint8Array([1])]);
});

test('a boolean is 0 or 1, a Date its milliseconds, any view its bytes', () => {
  const { values } = sql`${true} ${false} ${new Date(5)} ${new Uint16Array([258])} ${new Uint8Array([9, 8]).buffer}`;
  assert.deepEqual(values, [1, 0, 5, new Uint8Array([2, 1]), new Uint8Array([9, 8])]);
});

test('a fragment keeps its own values', () => {
  const open = sql`done = ${false}`;
  const query = sql`SELECT * FROM t WHERE ${open} AND (${sql`a > ${1} OR ${open}`}) LIMIT ${5}`;
  assert.equal(query.text, 'SELECT * FROM t WHERE done = ? AND (a > ? OR done = ?) LIMIT ?');
  assert.deepEqual(query.values, [0, 1, 0, 5]);
});

test('undefined, arrays, objects, NaN, functions, large bigints and invalid dates throw and name the place', () => {
  const bind = (value: unknown) => () => sql`SELECT ${1} FROM todos WHERE title = ${value as string} LIMIT 1`;
  refused(bind(undefined), /title = \$\{…\} LIMIT 1.* value 2 is undefined\. Use null/);
  refused(bind([1, 2]), /value 2 is an array.*sql\.in/);
  refused(bind({ a: 1 }), /value 2 is an object.*JSON\.stringify/);
  refused(bind(Number.NaN), /NaN/);
  refused(
    bind(() => 1),
    /a function/,
  );
  refused(bind(Symbol('x')), /a symbol/);
  refused(bind(2n ** 63n), /beyond 64 bits/);
  refused(bind(new Date('never')), /invalid Date/);
  refused(() => sql(['SELECT 1'] as unknown as TemplateStringsArray), /sql is a tag/);
});

test('names are quoted, whatever they hold', () => {
  assert.equal(sql`SELECT ${sql.id('order', 'a"b')} FROM ${sql.id('select')}`.text, 'SELECT "order"."a""b" FROM "select"');
});

test('a list is one JSON parameter', () => {
  const query = sql`SELECT * FROM t WHERE id ${sql.in(['a"b', 1, 2n ** 60n, true, null, new Date(3)])}`;
  assert.equal(query.text, 'SELECT * FROM t WHERE id IN (SELECT value FROM json_each(?))');
  assert.deepEqual(query.values, ['["a\\"b",1,1152921504606846976,1,null,3]']);
  assert.deepEqual(sql.in([]).values, ['[]']);
});

test('a list refuses what JSON cannot hold, and names the item', () => {
  refused(() => sql.in([1, Number.POSITIVE_INFINITY]), /item 1 is not finite/);
  refused(() => sql.in([undefined as unknown as null]), /item 0 is undefined/);
  refused(() => sql.in([new Uint8Array() as unknown as null]), /item 0 is bytes/);
});

test('fragments and values are joined', () => {
  const joined = sql.join([sql`a = ${1}`, sql`b = ${2}`], ' OR ');
  assert.deepEqual([joined.text, joined.values], ['a = ? OR b = ?', [1, 2]]);
  assert.deepEqual([sql.join([1, 2, 3]).text, sql.join([1, 2, 3]).values], ['?, ?, ?', [1, 2, 3]]);
  assert.equal(sql.join([]).text, '');
});

test('raw text stands as it is, and sql.as only tells the type', () => {
  assert.equal(sql`ORDER BY a ${sql.raw('DESC')}`.text, 'ORDER BY a DESC');
  const typed = sql.as(table({ id: text().primaryKey() }))`SELECT ${1}`;
  assert.ok(typed instanceof Sql);
  assert.deepEqual([typed.text, typed.values], ['SELECT ?', [1]]);
});
