import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Conflict, RowChange } from 'seaworthy';
import { ago, deed, invitation, losses, progress, reason, sharing } from './wording.js';

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

test('what was done to a list and its people reads', () => {
  const lists = new Map([['l', 'Groceries']]);
  const member = (op: RowChange['op']) => deed([todo({ table: 'members', op, key: { list_id: 'l', user_id: 'ben' } })], lists);
  assert.equal(member('insert'), 'Invited ben to the list “Groceries”');
  assert.equal(member('delete'), 'Ended that ben is in the list “Groceries”');
  assert.equal(deed([todo({ table: 'lists', key: { id: 'l' }, new: { archived: true } })], lists), 'Archived the list “Groceries”');
  assert.equal(deed([todo({ table: 'lists', key: { id: 'l' }, new: { archived: false } })], lists), 'Brought the list “Groceries” back');
  const back = [
    todo({ table: 'lists', op: 'insert', new: { name: 'Groceries' } }),
    todo({ table: 'members', op: 'insert', key: { list_id: 'l', user_id: 'ben' } }),
  ];
  assert.equal(deed(back, lists), 'Added the list “Groceries”', 'people are not todos');
});

test('who is in a list is told from where the user stands', () => {
  assert.equal(sharing({ me: 'ann', owner: 'ann', members: [] }), 'Share');
  assert.equal(sharing({ me: 'ann', owner: 'ann', members: ['ben'] }), 'Shared with ben');
  assert.equal(sharing({ me: 'ann', owner: 'ann', members: ['ben', 'cem'] }), 'Shared with ben and cem');
  assert.equal(sharing({ me: 'ann', owner: 'ann', members: ['ben', 'cem', 'dee'] }), 'Shared with 3 people');
  assert.equal(sharing({ me: 'ben', owner: 'ann', members: ['ben', 'cem'] }), 'Shared by ann');
});

test('what others did is told in a sentence', () => {
  assert.equal(invitation([{ name: 'Boat', owner_id: 'ann' }]), 'ann shares “Boat” with you.');
  assert.equal(
    invitation([
      { name: 'Boat', owner_id: 'ann' },
      { name: 'Trip', owner_id: 'cem' },
    ]),
    '2 lists are shared with you now.',
  );
  assert.equal(losses(['Boat'], 0), '“Boat” is no longer shared with you.');
  assert.equal(losses(['Boat', 'Trip'], 0), '2 lists are no longer shared with you.');
  assert.equal(losses(['Boat'], 1), '“Boat” is no longer shared with you. 1 change of yours came too late, and is kept for you to see.');
  assert.equal(losses(['Boat'], 2), '“Boat” is no longer shared with you. 2 changes of yours came too late, and are kept for you to see.');
  assert.equal(losses([], 1), 'The server refused 1 change. It was taken back here.');
  assert.equal(losses([], 2), 'The server refused 2 changes. They were taken back here.');
});

test('the first synchronisation says how far it is, and never more', () => {
  assert.equal(progress({ complete: false, rows: 0, fraction: 0 }), 'Fetching what is yours…');
  assert.equal(progress({ complete: false, rows: 1, fraction: 0.5 }), 'Fetching what is yours: 1 row, 50 %');
  assert.equal(progress({ complete: false, rows: 1200, fraction: 0.999 }), 'Fetching what is yours: 1200 rows, 99 %');
});

test('a reason says what happened to the row, not what the server calls it', () => {
  const conflict = (kind: Conflict['kind']): Conflict => ({
    table: 'todos',
    kind,
    key: { id: 'a' },
    base: {},
    local: {},
    remote: kind === 'not_found' ? null : {},
  });
  const refused = (code: string, ...kinds: Conflict['kind'][]) => reason({ reason: code, message: 'As the server says it.', conflicts: kinds.map(conflict) });
  assert.equal(refused('conflict', 'data'), 'Somebody else changed it first.');
  assert.equal(refused('conflict', 'not_found'), 'It has been deleted meanwhile, or its list is no longer shared with you.');
  assert.equal(refused('forbidden'), 'You may not change this: its list is gone, or no longer shared with you.');
  assert.equal(refused('of_a_handler'), 'As the server says it.');
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
