// The golden vectors, read by the TypeScript side: MessagePack and JSON must say the same, and a changeset must decode to its rows.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { decode } from '@msgpack/msgpack';
import { decodeChangeset } from '../../js/changeset.js';
import { SeaworthyError } from '../../js/errors.js';

interface FrameVector {
  readonly name: string;
  readonly json: unknown;
  readonly msgpack: string;
}

interface ChangesetVector {
  readonly name: string;
  readonly bytes: string;
  readonly columns: Readonly<Record<string, readonly string[]>>;
  readonly rows: unknown;
}

const frames = load<FrameVector>('vectors.json');
const changesets = load<ChangesetVector>('changesets.json');
const IDENTIFIERS = new Set(['id', 'replica', 'epoch', 'incarnation', 'doubtful', 'known']);

test('there are vectors', () => {
  assert.ok(frames.length > 10);
  assert.ok(changesets.length > 3);
});

for (const { name, json, msgpack } of frames) {
  test(`the frame ${name} says the same in MessagePack as in JSON`, () => {
    const frame = decode(unhex(msgpack), { useBigInt64: true });
    assert.deepStrictEqual(fromMessagePack(frame, ''), plainReals(json));
  });
}

for (const { name, bytes, columns, rows } of changesets) {
  test(`the changeset ${name} decodes to its rows`, () => {
    assert.deepStrictEqual(decodeChangeset(unhex(bytes), columns), rows);
  });

  test(`the changeset ${name}, cut anywhere, is refused or shorter, and never hangs`, () => {
    const whole = unhex(bytes);
    for (let length = 0; length < whole.length; length++) {
      try {
        const some = decodeChangeset(whole.subarray(0, length), columns);
        assert.ok(some.length < (rows as unknown[]).length);
      } catch (error) {
        assert.ok(error instanceof SeaworthyError, String(error));
      }
    }
  });
}

/** The frame as JSON would have it. MessagePack's reader gives one type of number, so reals lose their mark. */
function fromMessagePack(value: unknown, key: string): unknown {
  if (value instanceof Uint8Array) {
    const text = Buffer.from(value);
    return IDENTIFIERS.has(key) ? text.toString('hex') : { blob: text.toString('base64') };
  }
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : { integer: String(value) };
  if (value === Number.POSITIVE_INFINITY) return { real: 'inf' };
  if (Array.isArray(value)) return value.map((item) => fromMessagePack(item, key));
  if (typeof value !== 'object' || value === null) return value;
  if (isChanges(value)) {
    const columns = Object.fromEntries(value.tables.map((table) => [table.name, table.columns]));
    return plainReals(decodeChangeset(value.changeset, columns));
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, fromMessagePack(item, name)]));
}

function isChanges(value: object): value is { tables: { name: string; columns: string[] }[]; changeset: Uint8Array } {
  return 'changeset' in value && 'tables' in value;
}

function plainReals(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plainReals);
  if (typeof value !== 'object' || value === null) return value;
  if ('real' in value && typeof value.real === 'string' && value.real !== 'inf') return Number(value.real);
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, plainReals(item)]));
}

function load<T>(file: string): readonly T[] {
  return JSON.parse(readFileSync(fileURLToPath(new URL(file, import.meta.url)), 'utf8'));
}

function unhex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'hex'));
}
