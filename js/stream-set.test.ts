import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from './connection.js';
import { BadValue, Closed, StreamRefused } from './errors.js';
import type { RequestBody, StreamMessage } from './messages.js';
import { StreamSet } from './stream-set.js';

function setUp() {
  const asked: RequestBody[] = [];
  const connection = {
    call: async (request: RequestBody) => {
      asked.push(request);
      return null;
    },
  } as unknown as Connection;
  return { asked, set: new StreamSet(connection, () => {}) };
}

const message = (change: Partial<StreamMessage> = {}): StreamMessage => ({
  stream: 'todos',
  params: { list: 'l1' },
  auto: false,
  ready: true,
  buckets: 3,
  joined: 3,
  rows: 3,
  error: null,
  ...change,
});

test('handles of the same stream and parameters share a subscription, whatever the order', () => {
  const { asked, set } = setUp();
  const one = set.open('todos', { list: 'l1', done: true });
  const other = set.open('todos', { done: 1, list: 'l1' });
  assert.equal(asked.length, 1);
  one.release({ keepFor: '2h' });
  one.release();
  assert.equal(asked.length, 1);
  other.release();
  assert.deepEqual(
    asked.slice(1).map((request) => 'keepMs' in request && request.keepMs),
    [7_200_000],
  );
});

test('ready waits for the server, and is so at once where it was before', async () => {
  const { set } = setUp();
  const stream = set.open('todos', { list: 'l1' });
  let isReady = false;
  void stream.ready.then(() => (isReady = true));
  set.receive([message({ ready: false, joined: 1, rows: 1 })]);
  await Promise.resolve();
  assert.equal(isReady, false);
  assert.deepEqual([stream.progress.rows, stream.progress.fraction], [1, 1 / 3]);
  set.receive([message()]);
  await stream.ready;
  await set.open('todos', { list: 'l1' }).ready;
});

test('a stream that the server does not give rejects with its reason', async () => {
  const { set } = setUp();
  const stream = set.open('todos', { list: 'l1' });
  set.receive([message({ ready: false, error: { code: 'unknown_stream', message: 'there is none' } })]);
  await assert.rejects(stream.ready, (error: unknown) => error instanceof StreamRefused && error.reason === 'unknown_stream');
});

test('a permission that is lost shows in the status', () => {
  const { set } = setUp();
  const seen: boolean[] = [];
  set.open('todos', { list: 'l1' }).subscribe(({ granted }) => void seen.push(granted));
  set.receive([message()]);
  set.receive([message({ buckets: 0, joined: 0, rows: 0 })]);
  assert.deepEqual(seen, [false, true, false]);
});

test('all streams are summed up', () => {
  const { set } = setUp();
  set.receive([message({ auto: true, buckets: 2, joined: 2, rows: 2 }), message({ stream: 'big', ready: false, buckets: 8, joined: 1, rows: 1 })]);
  const { ready, rows, fraction, all } = set.getSnapshot();
  assert.deepEqual([ready, rows, fraction, all.map(({ name }) => name)], [false, 3, 0.3, ['todos', 'big']]);
});

test('another worker is asked for what is open, and for nothing that was released', () => {
  const { asked, set } = setUp();
  set.open('todos', { list: 'l1' });
  set.open('todos', { list: 'l2' }).release();
  asked.length = 0;
  set.restarted();
  assert.deepEqual(
    asked.map((request) => 'params' in request && request.params),
    [{ list: 'l1' }],
  );
});

test('what cannot be a parameter or a duration is refused with its place', () => {
  const { set } = setUp();
  assert.throws(
    () => set.open('todos', { list: undefined as never }),
    (error: unknown) => error instanceof BadValue && /parameter list of the stream todos/.test(error.message),
  );
  assert.throws(() => set.open('', {}), BadValue);
  const stream = set.open('todos', {});
  assert.throws(() => stream.release({ keepFor: '1 fortnight' as never }), RangeError);
  stream.release({ keepFor: 5 });
});

test('a database that ends, and a handle that was released, have no more to come', async () => {
  const { set } = setUp();
  const stream = set.open('todos', {});
  const waiting = stream.ready;
  set.end(new Closed('closed'));
  await assert.rejects(waiting, Closed);
  const other = setUp().set.open('todos', {});
  other.release();
  await assert.rejects(other.ready, Closed);
});
