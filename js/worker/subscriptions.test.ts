import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setUp } from '../../tests/unit/host-rig.js';

const DAY = 24 * 60 * 60 * 1000;
const todos = { op: 'stream', key: 'todos', stream: 'todos', params: { list: 'l1' } } as const;

const about = (log: readonly string[]) => log.filter((line) => line.includes('subscribe'));

test('the engine hears of the first tab that subscribes to a stream, and of the last that ends it', async () => {
  const { ask, page, log, answerTo } = await setUp();
  const asked = ask(todos);
  assert.equal(answerTo(asked)?.type, 'ok');
  const other = page('other');
  other.ask(todos);
  other.ask(todos);
  ask({ op: 'unstream', key: 'todos', keepMs: 0 });
  assert.deepEqual(about(log), ['subscribe todos']);
  other.ask({ op: 'unstream', key: 'todos', keepMs: 5 });
  assert.deepEqual(about(log), ['subscribe todos', 'unsubscribe todos 5']);
});

test('a tab that goes without a word leaves its streams for a day', async () => {
  const { ask, client, host, log } = await setUp();
  ask(todos);
  host.detach(client);
  assert.deepEqual(about(log), ['subscribe todos', `unsubscribe todos ${DAY}`]);
});

test('a tab that goes while another has a transaction open leaves its streams when that has ended', async () => {
  const { ask, page, host, log } = await setUp();
  const other = page('other');
  other.ask(todos);
  ask({ op: 'begin', transaction: 't' });
  host.detach(other.client);
  assert.deepEqual(about(log), ['subscribe todos']);
  ask({ op: 'rollback', transaction: 't' });
  ask({ op: 'pending' });
  assert.deepEqual(about(log), ['subscribe todos', `unsubscribe todos ${DAY}`]);
});

test('ending what was never begun does nothing', async () => {
  const { ask, log, answerTo } = await setUp();
  assert.equal(answerTo(ask({ op: 'unstream', key: 'todos', keepMs: 0 }))?.type, 'ok');
  assert.deepEqual(about(log), []);
});

test('a page that comes hears which streams there are', async () => {
  const stream = { stream: 'lists', params: {}, auto: true, ready: true, buckets: 1, joined: 1, rows: 2, error: null };
  const { posted } = await setUp({ streams: () => [stream] });
  assert.deepEqual(
    posted.filter((message) => message.type === 'streams'),
    [{ type: 'streams', streams: [stream] }],
  );
});
