import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resolver } from 'seaworthy';
import { Conflicts, type Question } from './conflicts.js';
import type { AppDatabase, Todo } from './schema.js';

const TODO: Todo = { id: 't', list_id: 'l', title: 'Milk', done: false, note: null, position: 1, owner_id: 'ann', created_at: 0, updated_at: 0 };
const edited = { base: TODO, local: { ...TODO, title: 'Oat milk' }, remote: null };

/** Conflicts of a database that only hands over the resolver. */
function conflicts(seen: Set<string>) {
  let resolver: Resolver<Todo> = () => undefined;
  let questions: readonly Question[] = [];
  let refused = 0;
  const resolve = (_table: string, given: Resolver<Todo>) => {
    resolver = given;
    return () => {};
  };
  const asked = new Conflicts({ resolve } as unknown as AppDatabase, (listId) => seen.has(listId), {
    change: (now) => (questions = now),
    refused: () => refused++,
  });
  return { review: () => asked.review(), decide: () => resolver(edited), questions: () => questions, refused: () => refused };
}

test('what was edited here and deleted elsewhere is asked about', async () => {
  const { decide, questions, refused } = conflicts(new Set(['l']));
  const decided = decide();
  questions()[0]?.choose(TODO);
  assert.equal(await decided, TODO);
  assert.equal(questions().length, 0);
  assert.equal(refused(), 0);
});

test('of a list that is not shared any more nothing is asked: the write stays refused', async () => {
  const { decide, questions, refused } = conflicts(new Set());
  assert.equal(await decide(), undefined);
  assert.equal(questions().length, 0);
  assert.equal(refused(), 1);
});

test('a question is taken back when its list goes', async () => {
  const seen = new Set(['l']);
  const { decide, questions, refused, review } = conflicts(seen);
  const decided = decide();
  review();
  assert.equal(questions().length, 1, 'as long as the list is there it stands');
  seen.clear();
  review();
  assert.equal(await decided, undefined);
  assert.equal(questions().length, 0);
  assert.equal(refused(), 1);
});
