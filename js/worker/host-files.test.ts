// Writes that share a commit, and files that leave and come.

import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import { settle } from '../../tests/unit/fake-worker.js';
import { CALL, failed, OPTIONS, setUp } from '../../tests/unit/host-rig.js';

before(() => mock.timers.enable({ apis: ['setTimeout'] }));
after(() => mock.timers.reset());

test('the first write runs at once, those that come meanwhile together, and before anything that comes behind them', async () => {
  const { ask, answerTo, log, later } = await setUp({}, OPTIONS, true);
  const ids = ['a', 'b', 'bad', 'c'].map((request) => ask({ op: 'write', request, call: CALL }));
  assert.deepEqual(log, ['write a'], 'the others wait for those that have come already');
  const read = ask({ op: 'read', call: CALL });
  assert.deepEqual(log, ['write a', 'write b,bad,c', 'read']);
  assert.deepEqual(
    [...ids, read].map((id) => failed(answerTo(id))),
    ['ok', 'ok', 'BadSql', 'ok', 'ok'],
  );
  ask({ op: 'write', request: 'd', call: CALL });
  assert.equal(log.at(-1), 'read', 'no end of the messages was seen');
  for (const run of later.splice(0)) run();
  assert.deepEqual([log.at(-1), later.length], ['write d', 1], 'more may come meanwhile');
  for (const run of later.splice(0)) run();
  ask({ op: 'write', request: 'e', call: CALL });
  assert.equal(log.at(-1), 'write e', 'nothing came');
});

test('a write that was under way when another worker ended runs alone, so that one that kills workers is found', async () => {
  const { ask, log, later } = await setUp({}, OPTIONS, true);
  ask({ op: 'write', request: 'a', call: CALL });
  ask({ op: 'write', request: 'b', call: CALL, again: true });
  ask({ op: 'write', request: 'c', call: CALL, again: true });
  assert.deepEqual([log, later.length], [['write a', 'write b', 'write c'], 1]);
});

test('an export is given piece by piece to who began it, and ends when its page is gone', async () => {
  const { ask, answerTo, log } = await setUp();
  const begun = ask({ op: 'export', export: 'x' });
  assert.deepEqual(answerTo(begun), { type: 'ok', id: begun, answer: { size: 5 } });
  const other = ask({ op: 'export-read', export: 'y', at: 0 });
  assert.equal(failed(answerTo(other)), 'LeaderLost');
  ask({ op: 'export-read', export: 'x', at: 3 });
  ask({ op: 'export-end', export: 'y' });
  assert.deepEqual(log, ['export', 'export 3'], 'who did not begin it does not end it');
  mock.timers.tick(30_000);
  assert.equal(log.at(-1), 'export end');
  assert.equal(failed(answerTo(ask({ op: 'export-read', export: 'x', at: 4 }))), 'LeaderLost');
});

test('a file that has come takes the place of the database while everything else waits', async () => {
  const { ask, answerTo, log } = await setUp();
  ask({ op: 'import-write', import: 'x', at: 0, bytes: new Uint8Array(3) });
  await settle();
  ask({ op: 'import-write', import: 'x', at: 3, bytes: new Uint8Array(2) });
  await settle();
  const end = ask({ op: 'import-end', import: 'x', discardPending: false });
  const read = ask({ op: 'read', call: CALL });
  await settle();
  assert.deepEqual(log, ['import x', 'piece 0+3', 'piece 3+2', 'prepare', 'close', 'put in place', 'read']);
  assert.deepEqual([answerTo(end), answerTo(read)].map(failed), ['ok', 'ok']);
});

test('where a file cannot be put in place the former database is open again', async () => {
  const { ask, answerTo, log, opened } = await setUp();
  const end = ask({ op: 'import-end', import: 'damaged', discardPending: false });
  await settle();
  assert.deepEqual(log, ['import damaged goes on', 'prepare', 'close', 'put in place']);
  assert.equal(failed(answerTo(end)), 'StorageUnavailable');
  assert.equal(opened.length, 2);
  assert.equal(failed(answerTo(ask({ op: 'read', call: CALL }))), 'ok');
});

test('an import that was done is not done again, and one that is given up leaves nothing', async () => {
  const done = await setUp({ was_imported: () => true });
  const end = done.ask({ op: 'import-end', import: 'x', discardPending: false });
  await settle();
  assert.deepEqual([failed(done.answerTo(end)), done.log], ['ok', []]);
  const { ask, log } = await setUp();
  ask({ op: 'import-write', import: 'x', at: 0, bytes: new Uint8Array(3) });
  await settle();
  ask({ op: 'import-drop', import: 'y' });
  ask({ op: 'import-drop', import: 'x' });
  await settle();
  assert.deepEqual(log, ['import x', 'piece 0+3', 'discard']);
});
