import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cell, type Column, pack, Real } from '../tests/unit/pack.js';
import { decodeAnswer } from './answer.js';
import { blob, boolean, id, integer, json, real, text, timestamp } from './column.js';
import { IntegerOutOfRange, SeaworthyError } from './errors.js';
import { buildRows } from './rows.js';
import { type Schema, schema } from './schema.js';
import { table } from './table.js';

const app = schema({
  t: table({
    id: id(),
    n: integer().nullable(),
    big: integer({ mode: 'bigint' }).nullable(),
    ratio: real().nullable(),
    flag: boolean().nullable(),
    tags: json().nullable(),
    at: timestamp().nullable(),
    bytes: blob().nullable(),
    label: text().nullable(),
  }),
}) as Schema;

function rows(...columns: Column[]): readonly object[] {
  const [answer] = decodeAnswer(pack({ columns }));
  assert.ok(answer);
  return buildRows(answer, app);
}

function values(cells: readonly Cell[], origin = ''): unknown[] {
  return rows({ name: 'v', table: origin && 't', origin, cells }).map((row) => (row as { v: unknown }).v);
}

test('an expression gives the values of SQLite, each kind with and without NULL', () => {
  for (const cells of [
    [1, -5, 2 ** 40],
    ['a', '', 'naïve 🌊\0', '\ufeffx'],
    [new Uint8Array([1]), new Uint8Array(), new Uint8Array([0, 255, 7])],
    [2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n],
  ] as Cell[][]) {
    assert.deepStrictEqual(values(cells), cells);
    assert.deepStrictEqual(values([null, ...cells, null]), [null, ...cells, null]);
  }
  assert.deepStrictEqual(values([new Real(0.5), new Real(-0), new Real(1), null]), [0.5, -0, 1, null]);
  assert.deepStrictEqual(values([null, null]), [null, null]);
  assert.deepStrictEqual(values([1, 2n ** 60n, null]), [1, 2n ** 60n, null]);
});

test('a column of mixed types gives each value as it is', () => {
  const cells = [1, new Real(2.5), 'x', null, new Uint8Array([9]), 2n ** 60n, 'ü', new Uint8Array()];
  assert.deepStrictEqual(values(cells), [1, 2.5, 'x', null, new Uint8Array([9]), 2n ** 60n, 'ü', new Uint8Array()]);
});

test('a column of the schema is decoded by its type, under whatever name it comes', () => {
  assert.deepStrictEqual(values([1, 0, null], 'flag'), [true, false, null]);
  assert.deepStrictEqual(values([5, null], 'at'), [new Date(5), null]);
  assert.deepStrictEqual(values(['{"a":[1]}', 'null', null, '"x"'], 'tags'), [{ a: [1] }, null, null, 'x']);
  assert.deepStrictEqual(values([1, null, 3], 'big'), [1n, null, 3n]);
  assert.deepStrictEqual(values([1, 2n ** 60n], 'big'), [1n, 2n ** 60n]);
  assert.deepStrictEqual(values([1, null], 'n'), [1, null]);
  assert.deepStrictEqual(values([new Real(1), null], 'ratio'), [1, null]);
});

test('a value of another type than its column stays as it is', () => {
  assert.deepStrictEqual(values(['yes', 1], 'flag'), ['yes', true]);
  assert.deepStrictEqual(values(['not json'], 'tags'), ['not json']);
  assert.deepStrictEqual(values(['later', 7], 'at'), ['later', new Date(7)]);
});

test('an integer beyond 2^53 in a number column throws and names the column', () => {
  assert.throws(
    () => values([1, 2n ** 53n + 1n], 'n'),
    (error) => error instanceof IntegerOutOfRange && /^t\.n holds 9007199254740993/.test(error.message) && error.details.column === 't.n',
  );
});

test('rows are plain objects with own properties, frozen in development', () => {
  const [row] = rows({ name: 'a', cells: [1] }, { name: '__proto__', cells: ['x'] }, { name: 'constructor', cells: [null] });
  assert.ok(row);
  assert.deepEqual(Object.keys(row), ['a', '__proto__', 'constructor']);
  assert.equal(Object.getPrototypeOf(row), Object.prototype);
  assert.equal(Object.getOwnPropertyDescriptor(row, '__proto__')?.value, 'x');
  assert.ok(Object.isFrozen(row) && Object.isFrozen(rows({ name: 'a', cells: [1] })));
});

test('changes come per statement, and a statement without rows has none', () => {
  const answers = decodeAnswer(pack({ changes: 3 }, { changes: 1, columns: [{ name: 'a', cells: [] }] }));
  assert.deepEqual(
    answers.map(({ changes, rowCount, columns }) => [changes, rowCount, columns.length]),
    [
      [3, 0, 0],
      [1, 0, 1],
    ],
  );
  assert.deepEqual(decodeAnswer(new Uint8Array()), []);
});

test('a buffer that is not aligned is read all the same', () => {
  const packed = pack({ columns: [{ name: 'a', cells: [1, 2, 3] }] });
  const shifted = new Uint8Array(packed.length + 3);
  shifted.set(packed, 3);
  assert.deepStrictEqual(buildRows(decodeAnswer(shifted.subarray(3))[0] as never, app), [{ a: 1 }, { a: 2 }, { a: 3 }]);
});

test('bytes that are cut or of another version are refused', () => {
  const packed = pack({ columns: [{ name: 'a', cells: ['x', null] }] });
  for (let length = 1; length < packed.length; length++) {
    assert.throws(
      () => decodeAnswer(packed.slice(0, length)),
      (error) => error instanceof SeaworthyError || error instanceof RangeError,
    );
  }
  assert.throws(() => decodeAnswer(Uint8Array.from([9, 0, 0, 0, 0, 0, 0, 0])), SeaworthyError);
});

test('20,000 rows of six columns are decoded in a few milliseconds', () => {
  const count = 20_000;
  const column = (name: string, cell: (row: number) => Cell): Column => ({ name, cells: Array.from({ length: count }, (_, row) => cell(row)) });
  const texts = ['a', 'b', 'c'].map((name) => column(name, (row) => `${name} ${row}`));
  const numbers = ['d', 'e', 'f'].map((name) => column(name, (row) => row));
  const packed = pack({ columns: [...texts, ...numbers] });
  const start = performance.now();
  const built = buildRows(decodeAnswer(packed)[0] as never, app);
  const took = performance.now() - start;
  assert.deepEqual(built.at(-1), { a: 'a 19999', b: 'b 19999', c: 'c 19999', d: 19_999, e: 19_999, f: 19_999 });
  assert.ok(took < 500, `${took} ms`);
});
