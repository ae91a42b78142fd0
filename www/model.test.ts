import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Filter, hashOf, placeOf } from './model.js';

test('a place survives the address bar', () => {
  for (const listId of ['018f-aa', 'with/slash', 'ä%', '#']) {
    for (const filter of ['all', 'active', 'done'] satisfies Filter[]) assert.deepEqual(placeOf(hashOf({ listId, filter })), { listId, filter });
  }
});

test('an address that nobody wrote leads to the start', () => {
  for (const hash of ['', '#', '#list', '#list/', '#other/1', '#list/%zz']) assert.deepEqual(placeOf(hash), { listId: null, filter: 'all' }, hash);
  assert.deepEqual(placeOf('#list/1/sideways'), { listId: '1', filter: 'all' });
});
