import assert from 'node:assert/strict';
import { afterEach, mock, test } from 'node:test';
import { FakeWorker, STATUS, settle } from '../tests/unit/fake-worker.js';
import { Connection, type ConnectionListener } from './connection.js';
import { Closed, LeaderLost, SchemaMismatch, type SeaworthyError, UserChanged, WorkerFailed } from './errors.js';
import type { OpenRequest } from './messages.js';

const OPTIONS = { name: 'test', online: true } as OpenRequest;
const CALL = new Uint8Array([1]);

const connections: Connection[] = [];
afterEach(() => {
  for (const connection of connections.splice(0)) connection.stop();
});

function setUp(helloMs = 5000) {
  const workers: FakeWorker[] = [];
  const heard: string[] = [];
  const failures: SeaworthyError[] = [];
  const listener: ConnectionListener = {
    event: (event) => heard.push(event.type),
    owner: (owner) => heard.push(owner),
    reopened: ({ user }) => {
      heard.push('reopened');
      return user?.subject === 'eve';
    },
    failed: (error) => failures.push(error),
    deleted: () => heard.push('deleted'),
  };
  const source = {
    helloMs,
    alive: null,
    broker: () => null,
    remembered: () => true,
    start: () => {
      workers.push(new FakeWorker());
      return workers.at(-1) as FakeWorker;
    },
    diagnose: () => Promise.resolve(new WorkerFailed('not there', 'not-found')),
  };
  const connection = new Connection(source, OPTIONS, listener);
  connections.push(connection);
  const opened = connection.open();
  opened.catch(() => {});
  return { connection, opened, heard, failures, worker: (nth = workers.length - 1) => workers[nth] as FakeWorker, count: () => workers.length };
}

test('open is asked first, and resolves with the status', async () => {
  const { opened, worker } = setUp();
  assert.deepEqual(worker().ops(), ['open']);
  assert.deepEqual(worker().last('open').options, OPTIONS);
  worker().open();
  assert.deepEqual(await opened, STATUS);
});

test('calls are sent when the database is open, and settled by their number in any order', async () => {
  const { connection, worker } = setUp();
  const first = connection.call({ op: 'read', call: CALL });
  const second = connection.call({ op: 'pending' });
  assert.deepEqual(worker().ops(), ['open']);
  worker().open();
  assert.deepEqual(worker().ops(), ['open', 'read', 'pending']);
  worker().answer('pending', []);
  worker().answer('read', new Uint8Array([7]));
  assert.deepEqual([await first, await second], [new Uint8Array([7]), []]);
});

test('the page is asked whether it remembers a database that is not there', () => {
  const { worker } = setUp();
  worker().say({ type: 'vanished' });
  assert.deepEqual(worker().notices.at(-1), { op: 'remembered', remembered: true });
});

test('a failure of the worker becomes a typed error', async () => {
  const { connection, worker } = setUp();
  worker().open();
  const call = connection.call({ op: 'read', call: CALL });
  worker().refuse('read', 'BadSql', 'near x');
  await assert.rejects(call, { code: 'BadSql', message: 'near x' });
});

test('after a stop the next worker gets what was unanswered, in order, with the same request ids', async () => {
  const { connection, worker, heard } = setUp();
  worker().open();
  const read = connection.call({ op: 'read', call: CALL });
  const write = connection.call({ op: 'write', request: 'r1', call: CALL });
  connection.stop();
  assert.ok(worker().terminated);
  const later = connection.call({ op: 'pending' });
  worker(0).answer('read', new Uint8Array([1]));
  connection.start();
  assert.deepEqual(worker(1).ops(), ['open'], 'whose database it is comes first');
  worker(1).open();
  assert.deepEqual(worker(1).ops(), ['open', 'read', 'write', 'pending']);
  const { request, again } = worker(1).last('write');
  assert.deepEqual([request, again, worker(0).last('write').again], ['r1', true, undefined]);
  assert.ok(heard.includes('reopened'));
  worker(1).answer('read', new Uint8Array([2]));
  worker(1).answer('write', { receipt: { id: null, sequence: null, changes: 1 }, buffer: CALL });
  worker(1).answer('pending', []);
  assert.deepEqual(await read, new Uint8Array([2]), 'what a dead worker says does not count');
  assert.equal((await write).receipt.changes, 1);
  assert.deepEqual(await later, []);
});

test('a statement of an interactive transaction is not repeated by another worker, its commit is', async () => {
  const { connection, worker } = setUp();
  worker().open();
  const step = connection.call({ op: 'step', transaction: 't', call: CALL });
  const commit = connection.call({ op: 'commit', transaction: 't', request: 'r' });
  connection.stop();
  connection.start();
  worker().open();
  await assert.rejects(step, LeaderLost);
  assert.deepEqual(worker().ops(), ['open', 'commit']);
  worker().answer('commit', { id: 'a', sequence: 1, changes: 1 });
  assert.equal((await commit).id, 'a');
});

test('a call that kills two workers is given up, and the others go on', async () => {
  const { connection, worker, count } = setUp();
  worker().open();
  const deadly = connection.call({ op: 'read', call: CALL });
  const harmless = connection.call({ op: 'pending' });
  for (let crash = 0; crash < 2; crash++) {
    worker().say({ type: 'crashed', id: worker().last('read').id, message: 'unreachable' });
    worker().open();
  }
  await assert.rejects(deadly, (error) => error instanceof WorkerFailed && error.cause === 'crashed' && /stopped twice/.test(error.message));
  assert.equal(count(), 3);
  worker().answer('pending', []);
  assert.deepEqual(await harmless, []);
});

test('a worker that dies again and again ends the connection', async () => {
  const { connection, worker, failures, count } = setUp();
  const call = connection.call({ op: 'pending' });
  for (let crash = 0; crash < 6; crash++) worker().say({ type: 'crashed', id: null, message: 'x' });
  await assert.rejects(call, WorkerFailed);
  assert.equal(count(), 6);
  assert.equal(failures.length, 1);
  await assert.rejects(connection.call({ op: 'pending' }), WorkerFailed);
});

test('a worker that cannot start is diagnosed, and everything that waits is told', async () => {
  const { connection, opened, worker, failures } = setUp();
  const call = connection.call({ op: 'pending' });
  worker().fail();
  await assert.rejects(opened, { code: 'WorkerFailed', cause: 'not-found' });
  await assert.rejects(call, { code: 'WorkerFailed' });
  assert.equal(failures.length, 1);
});

test('a worker that says nothing is diagnosed after its time', async () => {
  const { opened } = setUp(5);
  await assert.rejects(opened, { code: 'WorkerFailed', cause: 'not-found' });
});

test('a worker that says hello and waits for another tab is not diagnosed', async () => {
  const { worker, failures, heard } = setUp(5);
  worker().say({ type: 'hello' });
  worker().say({ type: 'owner', owner: 'other-tab' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual([failures, heard], [[], ['other-tab']]);
});

test('a failed open leaves the worker, so that the database can be deleted', async () => {
  const { connection, opened, worker, failures } = setUp();
  worker().say({ type: 'hello' });
  worker().refuse('open', 'SchemaMismatch', 'differs');
  await assert.rejects(opened, { code: 'SchemaMismatch' });
  assert.equal(failures.length, 1);
  const deleted = connection.call({ op: 'delete', discardPending: false });
  worker().answer('delete', null);
  assert.equal(await deleted, null);
});

test('a signal stops the waiting, not what was sent', async () => {
  const { connection, worker } = setUp();
  worker().open();
  const controller = new AbortController();
  const call = connection.call({ op: 'write', request: 'r', call: CALL }, controller.signal);
  controller.abort(new Error('enough'));
  await assert.rejects(call, { message: 'enough' });
  worker().answer('write', { receipt: { id: null, sequence: null, changes: 1 }, buffer: CALL });
  await assert.rejects(connection.call({ op: 'pending' }, controller.signal), { message: 'enough' });
  assert.deepEqual(worker().ops(), ['open', 'write']);
});

test('the next write says which answers have come, and a message does when there is none for a while', async () => {
  mock.timers.enable({ apis: ['setTimeout'] });
  try {
    const { connection, worker } = setUp();
    worker().open();
    const write = (request: string): void => {
      connection.call({ op: 'write', request, call: CALL }).catch(() => {});
      worker().answer('write', { receipt: { id: null, sequence: null, changes: 1 }, buffer: CALL });
    };
    write('a');
    assert.deepEqual(worker().last('write').received, []);
    write('b');
    assert.deepEqual(worker().last('write').received, ['a']);
    mock.timers.tick(1000);
    assert.deepEqual(worker().last('acknowledge').requests, ['b']);
    mock.timers.tick(5000);
    assert.equal(
      worker()
        .ops()
        .filter((op) => op === 'acknowledge').length,
      1,
    );
  } finally {
    mock.timers.reset();
  }
});

test('the end rejects what waits and what comes', async () => {
  const { connection, worker } = setUp();
  const call = connection.call({ op: 'pending' });
  connection.end(new Closed('over'));
  await assert.rejects(call, Closed);
  await assert.rejects(connection.call({ op: 'pending' }), Closed);
  connection.start();
  await settle();
  assert.ok(worker().terminated);
});

test('the next worker is told what was said about the network, in whatever tab, and whether the page can be seen', () => {
  const { connection, worker } = setUp();
  worker().open();
  connection.setVisible(false);
  worker().say({ type: 'wanted', online: false });
  connection.stop();
  connection.start();
  assert.equal(worker().last('open').options.online, false);
  assert.deepEqual(worker().notices, [{ op: 'visible', visible: false }]);
});

test('when another tab owns the database it is opened anew, and what is unanswered is asked again', async () => {
  const { connection, worker, count, heard } = setUp();
  worker().open();
  const write = connection.call({ op: 'write', request: 'r', call: CALL });
  const step = connection.call({ op: 'step', transaction: 't', call: CALL });
  worker().say({ type: 'moved' });
  assert.deepEqual(worker().ops(), ['open', 'write', 'step', 'open']);
  const during = connection.call({ op: 'pending' });
  worker().answer('open', STATUS);
  await assert.rejects(step, LeaderLost);
  assert.deepEqual(worker().ops().slice(4), ['write', 'pending']);
  worker().answer('pending', []);
  worker().answer('write', { receipt: { id: 'a', sequence: 1, changes: 1 }, buffer: CALL });
  await Promise.all([write, during]);
  assert.deepEqual([count(), heard.at(-1)], [1, 'reopened']);
});

test('what was meant for the user before a switch in another tab is not done for the next one', async () => {
  const { connection, worker } = setUp();
  worker().open();
  const write = connection.call({ op: 'write', request: 'r', call: CALL });
  worker().say({ type: 'moved' });
  worker().answer('open', { ...STATUS, user: { issuer: 'i', subject: 'eve' } });
  await assert.rejects(write, UserChanged);
  assert.deepEqual(worker().ops(), ['open', 'write', 'open']);
});

test('a call that kills the workers of other tabs is given up too', async () => {
  const { connection, worker, count } = setUp();
  worker().open();
  const deadly = connection.call({ op: 'read', call: CALL });
  for (let crash = 0; crash < 2; crash++) worker().say({ type: 'blamed', id: worker().last('read').id, message: 'unreachable' });
  await assert.rejects(deadly, { code: 'WorkerFailed' });
  assert.equal(count(), 1);
});

test('a page that a newer release does not serve is told to reload, and one whose database was deleted is told that', async () => {
  const { connection, worker, failures, heard } = setUp();
  worker().open();
  worker().say({ type: 'deleted' });
  assert.equal(heard.at(-1), 'deleted');
  const call = connection.call({ op: 'pending' });
  worker().say({ type: 'outdated', error: { code: 'SchemaMismatch', message: 'Reload', details: { action: 'reload' } } });
  await assert.rejects(call, (error) => error instanceof SchemaMismatch && error.details.action === 'reload');
  assert.equal(failures.length, 1);
});

test('the database is asked for when the page holds the lock that says that it lives', async () => {
  const worker = new FakeWorker();
  let alive = (): void => {};
  const source = {
    helloMs: 5000,
    alive: new Promise<void>((resolve) => (alive = resolve)),
    broker: () => null,
    remembered: () => true,
    start: () => worker,
    diagnose: () => Promise.reject(),
  };
  const listener = { event: () => {}, owner: () => {}, reopened: () => false, failed: () => {}, deleted: () => {} };
  const connection = new Connection(source, OPTIONS, listener);
  const opened = connection.open();
  await settle();
  assert.deepEqual(worker.ops(), []);
  alive();
  await settle();
  worker.open();
  await opened;
  connection.stop();
});

const EVE = { issuer: 'i', subject: 'eve' };
const SWITCH = { op: 'switch', user: EVE, discardPending: false } as const;

test('a request that changes what all others mean is asked when everything before it is answered, and before all that comes after it', async () => {
  const { connection, worker } = setUp();
  worker().open();
  const before = connection.call({ op: 'read', call: CALL });
  const switching = connection.alone(SWITCH);
  const after = connection.call({ op: 'pending' });
  await settle();
  assert.deepEqual(worker().ops(), ['open', 'read']);
  await assert.rejects(connection.alone(SWITCH), { code: 'NotAllowed' });
  worker().answer('read', new Uint8Array([1]));
  await before;
  await settle();
  assert.deepEqual(worker().ops(), ['open', 'read', 'switch']);
  worker().answer('switch', { switched: true, status: STATUS });
  assert.equal((await switching).switched, true);
  assert.deepEqual(worker().ops(), ['open', 'read', 'switch', 'pending']);
  worker().answer('pending', []);
  await after;
});

test('a worker that is started while the user is switched is asked nothing that came after the switch before it', async () => {
  const { connection, worker } = setUp();
  worker().open();
  const switching = connection.alone(SWITCH);
  const after = connection.call({ op: 'write', request: 'r', call: CALL });
  await settle();
  connection.stop();
  connection.start();
  worker().open();
  assert.deepEqual(worker().ops(), ['open', 'switch']);
  worker().answer('switch', { switched: false, status: STATUS });
  await switching;
  assert.deepEqual(worker().ops(), ['open', 'switch', 'write']);
  worker().answer('write', { receipt: { id: 't', sequence: 1, changes: 1 }, buffer: new Uint8Array() });
  await after;
});

test('an end while the user is switched fails what was held too', async () => {
  const { connection, worker } = setUp();
  worker().open();
  const read = connection.call({ op: 'read', call: CALL });
  const switching = connection.alone(SWITCH);
  const held = connection.call({ op: 'pending' });
  connection.end(new Closed('over'));
  for (const call of [read, switching, held]) await assert.rejects(call, Closed);
});

test('a worker that does not answer its own page for a minute is ended, and one that says it lives is not', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  try {
    const { connection, worker, count } = setUp();
    worker().open();
    const endless = connection.call({ op: 'read', call: CALL });
    const pings = () => worker().notices.filter(({ op }) => op === 'ping').length;
    for (let turn = 0; turn < 20; turn++) {
      mock.timers.tick(10_000);
      worker().say({ type: 'pong' });
    }
    assert.deepEqual([count(), pings()], [1, 20]);
    for (let turn = 0; turn < 2; turn++) {
      for (let ten = 0; ten < 6; ten++) mock.timers.tick(10_000);
      assert.equal(count(), turn + 1);
      mock.timers.tick(10_000);
      assert.equal(count(), turn + 2);
      worker().say({ type: 'hello' });
      worker().answer('open', STATUS);
    }
    await assert.rejects(endless, (error) => error instanceof WorkerFailed && /did not answer for a minute/.test(error.message));
    const before = pings();
    mock.timers.tick(100_000);
    assert.deepEqual([count(), pings()], [3, before], 'where nothing is asked nothing is watched');
  } finally {
    mock.timers.reset();
  }
});
