import assert from 'node:assert/strict';
import { test } from 'node:test';
import { News } from './news.js';
import type { List } from './schema.js';
import type { ToastAction, Toasts } from './view/toast.js';

const list = (name: string, owner_id = 'ann'): List => ({ id: name, name, owner_id, position: 1, created_at: 0, archived: false });

/** What ben is told. */
function telling(t: { mock: { timers: { enable(options: { apis: ['setTimeout'] }): void; tick(ms: number): void } } }) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const told: string[] = [];
  const show = (text: string, action?: ToastAction) => told.push(action ? `${text} [${action.label}]` : text);
  const news = new News('ben', { show } as unknown as Toasts, { open: () => {}, showRefused: () => {} });
  return { news, told, later: () => t.mock.timers.tick(2000) };
}

test('lists of others that come and go are told, the own ones are not', (t) => {
  const { news, told, later } = telling(t);
  news.listsMoved([list('Boat'), list('Own', 'ben')], []);
  later();
  news.listsMoved([], [list('Boat'), list('Own', 'ben')]);
  assert.deepEqual(told, ['ann shares “Boat” with you. [Open]', '“Boat” is no longer shared with you.']);
});

test('what is lost and what is refused at the same time is one message', (t) => {
  const { news, told, later } = telling(t);
  news.wasRefused();
  news.wasRefused();
  news.listsMoved([], [list('Boat')]);
  assert.equal(told.at(-1), '“Boat” is no longer shared with you. 2 changes of yours came too late, and are kept for you to see. [Show]');
  later();
  news.wasRefused();
  assert.equal(told.at(-1), 'The server refused 1 change. It was taken back here. [Show]');
});

test('of a list that goes, comes and goes again only the end is told', (t) => {
  const { news, told } = telling(t);
  news.listsMoved([], [list('Boat')]);
  news.listsMoved([list('Boat')], []);
  news.listsMoved([], [list('Boat')]);
  assert.equal(told.at(-1), '“Boat” is no longer shared with you.');
});
