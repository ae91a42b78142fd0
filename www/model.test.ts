import assert from 'node:assert/strict';
import { test } from 'node:test';
import { byList, type Filter, hashOf, peopleOf, placeOf, unarchived } from './model.js';
import type { List } from './schema.js';

const list = (id: string, change: Partial<List> = {}): List => ({ id, name: id, owner_id: 'ann', position: 1, created_at: 0, archived: false, ...change });

test('a place survives the address bar', () => {
  for (const listId of ['018f-aa', 'with/slash', 'ä%', '#']) {
    for (const filter of ['all', 'active', 'done'] satisfies Filter[]) assert.deepEqual(placeOf(hashOf({ listId, filter })), { listId, filter });
  }
});

test('an address that nobody wrote leads to the start', () => {
  for (const hash of ['', '#', '#list', '#list/', '#other/1', '#list/%zz']) assert.deepEqual(placeOf(hash), { listId: null, filter: 'all' }, hash);
  assert.deepEqual(placeOf('#list/1/sideways'), { listId: '1', filter: 'all' });
});

test('each list has its people, in the order of the rows', () => {
  const rows = ['ben', 'cem'].map((user_id, added_at) => ({ list_id: 'a', user_id, added_at }));
  const members = byList([...rows, { list_id: 'b', user_id: 'ann', added_at: 1 }]);
  assert.deepEqual(peopleOf(list('a'), { me: 'ann', members }), { me: 'ann', owner: 'ann', members: ['ben', 'cem'] });
  assert.deepEqual(peopleOf(list('c'), { me: 'ann', members }).members, []);
});

test('what is in the archive is not in use', () => {
  assert.deepEqual(
    unarchived([list('a'), list('b', { archived: true })]).map(({ id }) => id),
    ['a'],
  );
});
