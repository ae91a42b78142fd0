import assert from 'node:assert/strict';
import { test } from 'node:test';
import { uuid } from './uuid.js';

const FORM = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('20,000 ids are version 7, all different, and in the order of their making', () => {
  const ids = Array.from({ length: 20_000 }, uuid);
  assert.ok(ids.every((id) => FORM.test(id)));
  assert.equal(new Set(ids).size, ids.length);
  assert.deepEqual([...ids].sort(), ids);
});

test('the first 48 bits are the time', () => {
  const before = Date.now();
  const time = Number.parseInt(uuid().replaceAll('-', '').slice(0, 12), 16);
  assert.ok(time >= before && time <= Date.now() + 10);
});
