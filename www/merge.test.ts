import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mergeTodo } from './merge.js';
import type { Todo } from './schema.js';

const base: Todo = { id: 'a', list_id: 'l', title: 'Milk', done: false, note: null, position: 1, owner_id: 'ann', created_at: 1, updated_at: 1 };

test('what only one side changed is taken from there', () => {
  const merge = mergeTodo({ base, local: { ...base, title: 'Oat milk', updated_at: 3 }, remote: { ...base, done: true, updated_at: 2 } });
  assert.deepEqual(merge, { kind: 'merged', todo: { ...base, title: 'Oat milk', done: true, updated_at: 3 } });
});

test('different words for the same thing are asked about, and the rest is merged on both sides', () => {
  const merge = mergeTodo({ base, local: { ...base, title: 'Oat milk', position: 5 }, remote: { ...base, title: 'Soy milk', done: true } });
  const rest = { ...base, position: 5, done: true };
  assert.deepEqual(merge, { kind: 'open', mine: { ...rest, title: 'Oat milk' }, theirs: { ...rest, title: 'Soy milk' } });
});

test('the same words twice are no question', () => {
  const both = { ...base, title: 'Oat milk' };
  assert.deepEqual(mergeTodo({ base, local: both, remote: both }), { kind: 'merged', todo: both });
});

test('an edit against a deletion is asked about, two deletions are not', () => {
  const edited = { ...base, title: 'Oat milk' };
  assert.deepEqual(mergeTodo({ base, local: edited, remote: null }), { kind: 'open', mine: edited, theirs: null });
  assert.deepEqual(mergeTodo({ base, local: null, remote: edited }), { kind: 'open', mine: null, theirs: edited });
  assert.deepEqual(mergeTodo({ base, local: null, remote: null }), { kind: 'merged', todo: null });
});
