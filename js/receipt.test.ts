import assert from 'node:assert/strict';
import { test } from 'node:test';
import { WritePromise } from './receipt.js';

const pause = () => new Promise((resolve) => setTimeout(resolve, 10));

function failing(reported: unknown[], taken = true): Promise<never> {
  return WritePromise.watch(Promise.reject(new Error('refused')), (error) => {
    reported.push(error);
    return taken;
  });
}

test('it is a real promise', async () => {
  const promise = WritePromise.watch(Promise.resolve(5), () => true);
  assert.ok(promise instanceof Promise);
  assert.equal(await promise, 5);
  assert.equal(Object.getPrototypeOf(promise.then(String)), Promise.prototype);
});

test('a failure that somebody awaits is theirs alone', async () => {
  const reported: unknown[] = [];
  await assert.rejects(failing(reported), { message: 'refused' });
  await assert.rejects(Promise.all([failing(reported)]), { message: 'refused' });
  await failing(reported).catch(() => {});
  await pause();
  assert.deepEqual(reported, []);
});

test('a failure that nobody awaits is reported', async () => {
  const reported: unknown[] = [];
  void failing(reported);
  await pause();
  assert.deepEqual(reported.length, 1);
});

test('a failure that nobody takes at all is an unhandled rejection', async (context) => {
  const work = failing([], false);
  const reject = context.mock.method(Promise, 'reject', () => Promise.resolve());
  await pause();
  assert.match(String(reject.mock.calls[0]?.arguments[0]), /refused/);
  assert.ok(work);
});
