import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import { STATUS, settle } from '../../tests/unit/fake-worker.js';
import type { OpenRequest, Request, RequestBody, WorkerMessage } from '../messages.js';
import type { Engine, EngineModule, EngineOptions } from './engine.js';
import { Session } from './session.js';

const CALL = new Uint8Array([1]);
const RECEIPT = { id: 'tx', sequence: 1, changes: 1 };
const OPTIONS = { name: 'test', storage: 'memory', online: true, wasmUrl: 'x', transactionIdleMs: 2000, transactionTotalMs: 10_000 } as OpenRequest;

before(() => mock.timers.enable({ apis: ['setTimeout'] }));
after(() => mock.timers.reset());

/** A session whose engine writes down what it is asked. */
async function setUp(change: Partial<Engine> = {}, options = OPTIONS) {
  const log: string[] = [];
  const posted: WorkerMessage[] = [];
  const note = (what: string) => {
    log.push(what);
    return undefined;
  };
  const noted = <T>(what: string, answer: T): T => {
    log.push(what);
    return answer;
  };
  const engine: Engine = {
    read: () => noted('read', new Uint8Array([1])),
    write: (request) => noted(`write ${request}`, { receipt: RECEIPT, buffer: new Uint8Array([2]), repeated: request === 'kept' }),
    begin: () => note('begin'),
    step: () => noted('step', new Uint8Array([3])),
    commit: (request) => noted(`commit ${request}`, RECEIPT),
    rollback: () => note('rollback'),
    acknowledge: (requests) => (requests.length > 0 ? note(`acknowledge ${requests}`) : undefined),
    live_open: () => noted('live', new Uint8Array([4])),
    live_close: () => note('unlive'),
    token: () => note('token'),
    no_token: () => note('no token'),
    adopt: () => note('adopt'),
    pending_elsewhere: () => 0,
    online: (wanted) => note(`online ${wanted}`),
    pending: () => [],
    rejected: () => [],
    retry: () => RECEIPT,
    conflicts: () => [],
    resolve: () => RECEIPT,
    discard: () => note('discard'),
    fate: () => ({ state: 'pending' }),
    status: () => STATUS,
    close: () => note('close'),
    ...change,
  };
  const opened: EngineOptions[] = [];
  const open = async (options: EngineOptions): Promise<Engine> => {
    opened.push(options);
    return engine;
  };
  const module: EngineModule = { Database: { open, remove: async (name) => void note(`remove ${name}`) } };
  const session = new Session(
    (message) => posted.push(message),
    async () => module,
  );
  let id = 0;
  const ask = (body: RequestBody): number => {
    session.receive({ ...body, id: ++id } as Request);
    return id;
  };
  const answerTo = (wanted: number) => posted.find((message) => 'id' in message && message.id === wanted);
  ask({ op: 'open', options });
  await settle();
  return { session, ask, answerTo, posted, log, opened };
}

const failed = (message: WorkerMessage | undefined) => (message?.type === 'failed' ? message.error.code : message?.type);

test('requests that come before the database is open wait for it', async () => {
  const posted: WorkerMessage[] = [];
  const session = new Session(
    (message) => posted.push(message),
    () => new Promise(() => {}),
  );
  session.receive({ op: 'open', options: OPTIONS, id: 1 });
  session.receive({ op: 'pending', id: 2 });
  await settle();
  assert.equal(posted.length, 0);
  session.receive({ op: 'close', id: 3 });
  await settle();
  assert.ok(posted.some((message) => message.type === 'ok' && message.id === 3));
});

test('while a transaction is open everything else waits', async () => {
  const { ask, answerTo, log } = await setUp();
  ask({ op: 'begin', transaction: 't' });
  const read = ask({ op: 'read', call: CALL });
  const other = ask({ op: 'begin', transaction: 'u' });
  ask({ op: 'step', transaction: 't', call: CALL });
  ask({ op: 'token', token: 'x' });
  assert.equal(answerTo(read), undefined);
  ask({ op: 'commit', transaction: 't', request: 'r' });
  assert.deepEqual(log, ['begin', 'step', 'token', 'commit r', 'read', 'begin']);
  assert.ok(answerTo(read) && answerTo(other));
});

test('a transaction that is idle for 2 s is rolled back, later calls are told why, and the others go on', async () => {
  const { ask, answerTo, log } = await setUp();
  ask({ op: 'begin', transaction: 't' });
  mock.timers.tick(1900);
  ask({ op: 'step', transaction: 't', call: CALL });
  mock.timers.tick(1900);
  const read = ask({ op: 'read', call: CALL });
  assert.equal(answerTo(read), undefined);
  mock.timers.tick(200);
  assert.deepEqual(log, ['begin', 'step', 'rollback', 'read']);
  const step = answerTo(ask({ op: 'step', transaction: 't', call: CALL }));
  assert.equal(failed(step), 'TransactionTimeout');
  assert.match(step?.type === 'failed' ? step.error.message : '', /idle for 2000 ms.*you used db inside db\.transaction; use tx/);
  assert.equal(failed(answerTo(ask({ op: 'commit', transaction: 't', request: 'r' }))), 'TransactionTimeout');
  assert.equal(failed(answerTo(ask({ op: 'rollback', transaction: 't' }))), 'ok');
  assert.ok(!log.includes('commit r'));
});

test('a transaction is rolled back after 10 s however busy it is', async () => {
  const { ask, answerTo, log } = await setUp();
  ask({ op: 'begin', transaction: 't' });
  for (let second = 0; second < 10; second++) {
    ask({ op: 'step', transaction: 't', call: CALL });
    mock.timers.tick(1000);
  }
  assert.ok(log.includes('rollback'));
  const step = answerTo(ask({ op: 'step', transaction: 't', call: CALL }));
  assert.match(step?.type === 'failed' ? step.error.message : '', /open for 10000 ms.*db\.batch/);
});

test('a statement or a commit of a transaction that another worker had is refused, unless the commit is known', async () => {
  const { ask, answerTo } = await setUp();
  assert.equal(failed(answerTo(ask({ op: 'step', transaction: 'old', call: CALL }))), 'LeaderLost');
  assert.equal(failed(answerTo(ask({ op: 'commit', transaction: 'old', request: 'lost' }))), 'LeaderLost');
  const known = answerTo(ask({ op: 'commit', transaction: 'old', request: 'kept' }));
  assert.deepEqual(known?.type === 'ok' && known.answer, RECEIPT);
});

test('a transaction that is given up while it waits never begins', async () => {
  const { ask, answerTo, log } = await setUp();
  ask({ op: 'begin', transaction: 't' });
  const waiting = ask({ op: 'begin', transaction: 'u' });
  ask({ op: 'rollback', transaction: 'u' });
  assert.equal(failed(answerTo(waiting)), 'NotAllowed');
  ask({ op: 'rollback', transaction: 't' });
  assert.deepEqual(log, ['begin', 'rollback']);
});

test('answers that have come are forgotten with the next write', async () => {
  const { ask, log } = await setUp();
  ask({ op: 'write', request: 'b', call: CALL, received: ['a'] });
  ask({ op: 'begin', transaction: 't' });
  ask({ op: 'commit', transaction: 't', request: 'c', received: ['b'] });
  assert.deepEqual(log, ['acknowledge a', 'write b', 'begin', 'acknowledge b', 'commit c']);
});

test('a failure answers its own request only', async () => {
  const { ask, answerTo } = await setUp({
    read: () => {
      throw { code: 'BadSql', message: 'near x', retryable: false, details: null };
    },
  });
  assert.equal(failed(answerTo(ask({ op: 'read', call: CALL }))), 'BadSql');
  assert.equal(failed(answerTo(ask({ op: 'pending' }))), 'ok');
});

test('a trap names the request that ran, and nothing runs after it', async () => {
  const { ask, answerTo, posted } = await setUp({
    read: () => {
      throw new WebAssembly.RuntimeError('unreachable');
    },
  });
  const read = ask({ op: 'read', call: CALL });
  assert.equal(answerTo(read)?.type, 'crashed');
  ask({ op: 'write', request: 'r', call: CALL });
  assert.ok(!posted.some((message) => message.type === 'ok' && message.id > read));
});

test('the browser going offline ends the connection, and its return asks for what the application wants', async () => {
  const { session, ask, log } = await setUp();
  session.network(false);
  ask({ op: 'online', wanted: false });
  session.network(true);
  ask({ op: 'online', wanted: true });
  assert.deepEqual(log, ['online false', 'online false', 'online false', 'online true']);
});

test('a database that cannot be opened says why to every request, and can be deleted', async () => {
  const posted: WorkerMessage[] = [];
  const removed: string[] = [];
  const refuse = (): Promise<Engine> => Promise.reject({ code: 'SchemaMismatch', message: 'differs' });
  const session = new Session(
    (message) => posted.push(message),
    async () => ({ Database: { open: refuse, remove: async (name) => void removed.push(name) } }),
  );
  session.receive({ op: 'open', options: OPTIONS, id: 1 });
  session.receive({ op: 'pending', id: 2 });
  await settle();
  assert.deepEqual(
    posted.map((message) => failed(message)),
    ['SchemaMismatch', 'SchemaMismatch'],
  );
  session.receive({ op: 'delete', id: 3, discardPending: false });
  assert.equal(failed(posted.at(-1)), 'PendingWrites', 'nobody knows what is pending in it');
  session.receive({ op: 'delete', id: 4, discardPending: true });
  await settle();
  assert.deepEqual([removed, posted.at(-1)?.type], [['test'], 'ok']);
});

const ANN = { issuer: 'i', subject: 'ann' };
const EVE = { issuer: 'i', subject: 'eve' };
const ON_DISK = { ...OPTIONS, storage: 'opfs' } as OpenRequest;

/** A session on disk, where the lock is free. */
async function onDisk(change: Partial<Engine>) {
  const locks = { request: async (_name: string, _options: unknown, held: (lock: unknown) => unknown) => held({}) };
  Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { locks } });
  return setUp(change, ON_DISK);
}

test('another user’s database is opened in place of this one, and what comes meanwhile waits for it', async () => {
  const { ask, answerTo, log, opened } = await onDisk({ status: () => ({ ...STATUS, user: ANN, pending: 2 }) });
  const switching = ask({ op: 'switch', user: EVE, discardPending: false });
  const read = ask({ op: 'read', call: CALL });
  assert.equal(answerTo(read), undefined);
  await settle();
  assert.deepEqual(opened.at(-1)?.user, EVE);
  assert.equal(opened.at(-1)?.left_pending, 2);
  assert.deepEqual(log, ['close', 'read']);
  const answer = answerTo(switching);
  assert.ok(answer?.type === 'ok' && (answer.answer as { switched: boolean }).switched);
});

test('the user whose database is open, and the first of a database that nobody wrote in, stay where they are', async () => {
  for (const status of [
    { ...STATUS, user: EVE, pending: 2 },
    { ...STATUS, user: null },
  ]) {
    const { ask, answerTo, log } = await setUp({ status: () => status });
    const answer = answerTo(ask({ op: 'switch', user: EVE, discardPending: false }));
    assert.deepEqual(answer?.type === 'ok' && answer.answer, { switched: false, status });
    assert.deepEqual(log, []);
  }
});

test('what nobody wrote, and what is only in memory, is not left behind without a word', async () => {
  const anonymous = await onDisk({ status: () => ({ ...STATUS, user: null, pending: 1 }) });
  const inMemory = await setUp({ status: () => ({ ...STATUS, user: ANN, pending: 1 }) });
  for (const { ask, answerTo, log, opened } of [anonymous, inMemory]) {
    assert.equal(failed(answerTo(ask({ op: 'switch', user: EVE, discardPending: false }))), 'PendingWrites');
    assert.deepEqual(log, []);
    const switching = ask({ op: 'switch', user: EVE, discardPending: true });
    await settle();
    assert.equal(answerTo(switching)?.type, 'ok');
    assert.equal(opened.at(-1)?.left_pending, 0);
  }
  assert.deepEqual([anonymous.log, inMemory.log], [['close', 'remove test'], ['close']]);
});

test('a database with writes that nobody else has is deleted only when that is said, those of other users counted', async () => {
  const synced = { ...OPTIONS, sync: { url: 'x' } };
  for (const change of [{ status: () => ({ ...STATUS, pending: 1 }) }, { pending_elsewhere: () => 1 }]) {
    const { ask, answerTo, log } = await setUp(change, synced);
    assert.equal(failed(answerTo(ask({ op: 'delete', discardPending: false }))), 'PendingWrites');
    assert.equal(failed(answerTo(ask({ op: 'pending' }))), 'ok', 'it is still open');
    ask({ op: 'delete', discardPending: true });
    await settle();
    assert.deepEqual(log, ['close', 'remove test']);
  }
});

test('a database that never had a server or a user is deleted at a word', async () => {
  const { ask, answerTo } = await setUp({ status: () => ({ ...STATUS, pending: 7 }) }, { ...OPTIONS, sync: null });
  const deleting = ask({ op: 'delete', discardPending: false });
  await settle();
  assert.equal(answerTo(deleting)?.type, 'ok');
});
