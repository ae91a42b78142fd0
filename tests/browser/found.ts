// What a test of crashes looks for in a database afterwards.

import assert from 'node:assert/strict';

export interface Found {
  readonly rows: readonly string[];
  readonly pending: readonly string[];
  readonly check: readonly unknown[];
}

/** What was acknowledged is there, everything is queued exactly once, and the file is whole. */
export function holds({ rows, pending, check }: Found, told: readonly string[]): void {
  const there = new Set(rows);
  assert.deepEqual(
    told.filter((id) => !there.has(id)),
    [],
    'acknowledged and lost',
  );
  assert.deepEqual([...pending].sort(), [...rows].sort(), 'each row is queued exactly once');
  assert.deepEqual(check, ['ok']);
}
