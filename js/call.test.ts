import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeCall } from './call.js';
import type { SqlValue } from './value.js';

type Typed = readonly ['null' | 'integer' | 'real' | 'text' | 'blob', unknown];

/** Reads a call as `src/store` does. */
function decodeCall(bytes: Uint8Array): { sql: string; sets: Typed[][] }[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const skip = (length: number) => {
    at += length;
    return at - length;
  };
  const u32 = () => view.getUint32(skip(4), true);
  const take = (length: number) => {
    const start = skip(length);
    return bytes.slice(start, at);
  };
  const text = () => new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(take(u32()));
  const value = (): Typed => {
    switch (bytes[at++]) {
      case 0:
        return ['null', null];
      case 1:
        return ['integer', view.getBigInt64(skip(8), true)];
      case 2:
        return ['real', view.getFloat64(skip(8), true)];
      case 3:
        return ['text', text()];
      default:
        return ['blob', take(u32())];
    }
  };
  assert.equal(bytes[at++], 1);
  const statements = Array.from({ length: u32() }, () => {
    const sql = text();
    const [sets, width] = [u32(), u32()];
    return { sql, sets: Array.from({ length: sets }, () => Array.from({ length: width }, value)) };
  });
  assert.equal(at, bytes.length);
  return statements;
}

function roundTrip(...values: SqlValue[]): Typed[] {
  return decodeCall(encodeCall([{ text: 'SELECT', values, sets: 1 }]))[0]?.sets[0] ?? [];
}

test('a safe integer is an integer; a fraction, -0 and what is larger is a real', () => {
  assert.deepEqual(roundTrip(0, 1, -1, 2 ** 32, -(2 ** 32) - 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER), [
    ['integer', 0n],
    ['integer', 1n],
    ['integer', -1n],
    ['integer', 4294967296n],
    ['integer', -4294967297n],
    ['integer', 9007199254740991n],
    ['integer', -9007199254740991n],
  ]);
  const [zero, half, large, infinite, tiny] = roundTrip(-0, 0.5, 1e300, Number.POSITIVE_INFINITY, 5e-324);
  assert.ok(zero?.[0] === 'real' && Object.is(zero[1], -0));
  assert.deepEqual(
    [half, large, infinite, tiny],
    [
      ['real', 0.5],
      ['real', 1e300],
      ['real', Number.POSITIVE_INFINITY],
      ['real', 5e-324],
    ],
  );
});

test('a bigint has all 64 bits', () => {
  assert.deepEqual(roundTrip(2n ** 53n + 1n, 2n ** 63n - 1n, -(2n ** 63n)), [
    ['integer', 9007199254740993n],
    ['integer', 9223372036854775807n],
    ['integer', -9223372036854775808n],
  ]);
});

test('text is kept with NUL, byte order mark and characters beyond the BMP; a lone surrogate becomes U+FFFD', () => {
  const texts = ['', 'a\0b', '\ufeffx', 'naïve 🌊', 'x'.repeat(47), 'é'.repeat(48), `${'x'.repeat(49)}é`, '🌊'.repeat(5000)];
  assert.deepEqual(
    roundTrip(...texts).map(([, text]) => text),
    texts,
  );
  assert.deepEqual(roundTrip('a\ud800b', '\udc00'), [
    ['text', 'a\ufffdb'],
    ['text', '\ufffd'],
  ]);
});

test('blobs are kept, the empty one and a part of a larger buffer too', () => {
  const part = new Uint8Array([1, 2, 3, 4]).subarray(1, 3);
  assert.deepEqual(roundTrip(new Uint8Array(), part, new Uint8Array([0, 255]), null), [
    ['blob', new Uint8Array()],
    ['blob', new Uint8Array([2, 3])],
    ['blob', new Uint8Array([0, 255])],
    ['null', null],
  ]);
});

test('several statements with several sets keep their order', () => {
  const call = encodeCall([
    { text: 'INSERT', values: [1, 'a', 2, 'b', 3, 'c'], sets: 3 },
    { text: 'DELETE', values: [], sets: 1 },
  ]);
  assert.deepEqual(decodeCall(call), [
    {
      sql: 'INSERT',
      sets: [
        [
          ['integer', 1n],
          ['text', 'a'],
        ],
        [
          ['integer', 2n],
          ['text', 'b'],
        ],
        [
          ['integer', 3n],
          ['text', 'c'],
        ],
      ],
    },
    { sql: 'DELETE', sets: [[]] },
  ]);
  assert.deepEqual(decodeCall(encodeCall([])), []);
});

test('a call far beyond the scratch buffer is whole, and so is the next one', () => {
  const values = Array.from({ length: 60_000 }, (_, i) => (i % 2 === 0 ? `value ${i}` : i));
  const sets = decodeCall(encodeCall([{ text: 'INSERT', values, sets: 30_000 }]))[0]?.sets;
  assert.equal(sets?.length, 30_000);
  assert.deepEqual(sets?.at(-1), [
    ['text', 'value 59998'],
    ['integer', 59_999n],
  ]);
  assert.deepEqual(roundTrip('x'.repeat(3_000_000))[0]?.[1], 'x'.repeat(3_000_000));
  assert.deepEqual(roundTrip(1), [['integer', 1n]]);
});
