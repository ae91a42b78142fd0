import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UndoStack } from './undo.js';

test('the newest step is taken back first, and each only once', async () => {
  const done: string[] = [];
  const stack = new UndoStack();
  const first = stack.push(async () => void done.push('first'));
  stack.push(async () => void done.push('second'));
  assert.equal(await stack.undo(), true);
  assert.deepEqual(done, ['second']);
  await first();
  await first();
  assert.deepEqual(done, ['second', 'first']);
  assert.equal(await stack.undo(), false);
});

test('only the newest steps are kept', async () => {
  const stack = new UndoStack();
  for (let i = 0; i < 50; i++) stack.push(async () => {});
  let taken = 0;
  while (await stack.undo()) taken++;
  assert.equal(taken, 20);
});
