import assert from 'node:assert/strict';
import { test } from 'node:test';
import { between, moved } from './order.js';

test('a position lies between its neighbours, and beyond the last at an end', () => {
  assert.equal(between(null, null), 1);
  assert.equal(between(4, null), 5);
  assert.equal(between(null, 4), 3);
  assert.equal(between(1, 2), 1.5);
});

test('equal positions, which two devices may have given, leave no room', () => {
  assert.equal(between(3, 3), null);
  assert.equal(between(3, 2), null);
});

test('halving a gap again and again ends with no room, never with a position that equals a neighbour', () => {
  let low = 1;
  let steps = 0;
  for (let middle = between(low, 2); middle !== null; middle = between(low, 2)) {
    assert.ok(middle > low && middle < 2);
    low = middle;
    steps++;
  }
  assert.ok(steps > 15 && steps < 60, `${steps} steps`);
});

test('moving takes an item out and puts it in', () => {
  assert.deepEqual(moved(['a', 'b', 'c', 'd'], 0, 2), ['b', 'c', 'a', 'd']);
  assert.deepEqual(moved(['a', 'b', 'c', 'd'], 3, 0), ['d', 'a', 'b', 'c']);
  assert.deepEqual(moved(['a', 'b'], 1, 1), ['a', 'b']);
});
