import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RowChange } from 'seaworthy';
import { ago, deed } from './wording.js';

const todo = (change: Partial<RowChange>): RowChange => ({ table: 'todos', op: 'update', key: { id: 'a' }, old: {}, new: {}, ...change });
const names = new Map([['a', 'Milk']]);

test('a write reads as what a person did', () => {
  assert.equal(deed([todo({ op: 'insert', new: { title: 'Milk' } })], names), 'Added “Milk”');
  assert.equal(deed([todo({ new: { done: true, updated_at: 1 } })], names), 'Completed “Milk”');
  assert.equal(deed([todo({ new: { done: false, updated_at: 1 } })], names), 'Reopened “Milk”');
  assert.equal(deed([todo({ old: { title: 'Milk' }, new: { title: 'Oat milk' } })], names), 'Renamed “Milk” to “Oat milk”');
  assert.equal(deed([todo({ new: { position: 2 } })], names), 'Moved “Milk”');
  assert.equal(deed([todo({ op: 'delete', old: { title: 'Milk' } })], new Map()), 'Deleted “Milk”');
});

test('a write over many rows is counted', () => {
  const deletion = todo({ op: 'delete', old: { title: 'x' } });
  const list = todo({ table: 'lists', op: 'delete', old: { name: 'Groceries' } });
  assert.equal(deed([deletion, deletion], names), 'Deleted 2 todos');
  assert.equal(deed([list, deletion, deletion], names), 'Deleted the list “Groceries” with 2 todos');
  assert.equal(deed([todo({ new: { position: 1 } }), todo({ new: { position: 2 } })], names), 'Reordered 2 todos');
});

test('a write on a row that is gone still reads', () => {
  assert.equal(deed([todo({ new: { done: true } })], new Map()), 'Completed “…”');
  assert.equal(deed([], new Map()), 'Changed something');
});

test('times are told roughly', () => {
  const now = Date.UTC(2030, 0, 10);
  assert.equal(ago(now - 5000, now), 'just now');
  assert.equal(ago(now - 5 * 60_000, now), '5 min ago');
  assert.equal(ago(new Date(now - 3 * 3_600_000), now), '3 h ago');
});
