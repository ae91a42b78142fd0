import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import { noImports } from '../../tests/unit/fake-imports.js';
import { STATUS, settle } from '../../tests/unit/fake-worker.js';
import { ANN, CALL, EVE, failed, ON_DISK, OPTIONS, RECEIPT, setUp } from '../../tests/unit/host-rig.js';
import type { WireError } from '../errors.js';
import type { EngineEvent, RequestBody, WorkerMessage } from '../messages.js';
import type { Engine, EngineOptions } from './engine.js';
import { Host } from './host.js';

before(() => mock.timers.enable({ apis: ['setTimeout'] }));
after(() => mock.timers.reset());

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
  const { ask, posted, log } = await setUp({
    read: () => {
      throw new WebAssembly.RuntimeError('unreachable');
    },
  });
  const read = ask({ op: 'read', call: CALL });
  assert.equal(log.at(-1), `crashed own ${read}`);
  ask({ op: 'write', request: 'r', call: CALL });
  assert.ok(!posted.some((message) => message.type === 'ok' && message.id > read));
});

test('the browser going offline ends the connection, and its return asks for what the application wants', async () => {
  const { host, ask, log } = await setUp();
  host.network(false);
  ask({ op: 'online', wanted: false });
  host.network(true);
  ask({ op: 'online', wanted: true });
  assert.deepEqual(log, ['online false', 'online false', 'online false', 'online true']);
});

test('another user’s database is opened in place of this one, and what comes meanwhile waits for it', async () => {
  const { ask, answerTo, log, opened } = await setUp({ status: () => ({ ...STATUS, user: ANN, pending: 2 }) }, ON_DISK);
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
    const switching = ask({ op: 'switch', user: EVE, discardPending: false });
    await settle();
    const answer = answerTo(switching);
    assert.deepEqual(answer?.type === 'ok' && answer.answer, { switched: false, status });
    assert.deepEqual(log, []);
  }
});

test('what nobody wrote, and what is only in memory, is not left behind without a word', async () => {
  const anonymous = await setUp({ status: () => ({ ...STATUS, user: null, pending: 1 }) }, ON_DISK);
  const inMemory = await setUp({ status: () => ({ ...STATUS, user: ANN, pending: 1, storage: 'memory' }) });
  for (const { ask, answerTo, log, opened } of [anonymous, inMemory]) {
    const refused = ask({ op: 'switch', user: EVE, discardPending: false });
    await settle();
    assert.equal(failed(answerTo(refused)), 'PendingWrites');
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
    assert.deepEqual(log, ['close', 'remove test', 'deleted by own']);
  }
});

test('a database that never had a server or a user is deleted at a word', async () => {
  const { ask, answerTo } = await setUp({ status: () => ({ ...STATUS, pending: 7 }) }, { ...OPTIONS, sync: null });
  const deleting = ask({ op: 'delete', discardPending: false });
  await settle();
  assert.equal(answerTo(deleting)?.type, 'ok');
});

test('pages of several tabs have live queries of their own, which end with them', async () => {
  const { page, log, emit, posted } = await setUp();
  const other = page('other');
  const ask = (from: { ask(body: RequestBody): number }) => from.ask({ op: 'live', live: 1, call: CALL });
  ask(other);
  emit({ type: 'live', id: 1, buffer: new Uint8Array([5]) });
  assert.deepEqual(other.posted.at(-1), { type: 'live', id: 1, buffer: new Uint8Array([5]) });
  assert.ok(!posted.some(({ type }) => type === 'live'));
  emit({ type: 'confirmed', ids: ['a'] });
  assert.deepEqual([posted.at(-1)?.type, other.posted.at(-1)?.type], ['confirmed', 'confirmed']);
  const again = page('other');
  assert.deepEqual(log, ['live 1', 'unlive 1'], 'who opens anew has none of them');
  ask(again);
  assert.equal(log.at(-1), 'live 2');
});

test('while a page has a transaction open the others wait, until it ends or the page is gone', async () => {
  const { host, page, ask, answerTo, log } = await setUp();
  const other = page('other');
  other.ask({ op: 'begin', transaction: 't' });
  const waiting = other.ask({ op: 'read', call: CALL });
  const read = ask({ op: 'read', call: CALL });
  assert.equal(answerTo(read), undefined);
  await host.sweep(async (pages) => pages);
  host.detach(other.client);
  assert.deepEqual(log, ['begin', 'rollback', 'read']);
  assert.deepEqual([failed(answerTo(read)), other.answerTo(waiting)], ['ok', undefined]);
  await host.sweep(async () => []);
  assert.equal(log.at(-1), 'read');
  await host.sweep(async (pages) => pages.slice(1));
  assert.equal(log.at(-1), 'forget y');
});

test('one page that can be seen is asked for a token, and all when it does not answer', async () => {
  const { page, client, emit, posted } = await setUp();
  const asked = (messages: readonly WorkerMessage[]) => messages.filter(({ type }) => type === 'need-token').length;
  const [seen, other] = [page('seen'), page('other')];
  client.visible = false;
  emit({ type: 'need-token', renew: false });
  assert.deepEqual([asked(posted), asked(seen.posted), asked(other.posted)], [0, 1, 0]);
  mock.timers.tick(4999);
  seen.ask({ op: 'token', token: 't' });
  mock.timers.tick(5000);
  assert.equal(asked(other.posted), 0);
  emit({ type: 'need-token', renew: true });
  mock.timers.tick(5000);
  assert.deepEqual([asked(seen.posted), asked(other.posted)], [3, 1]);
});

test('what the engine says before there is a page is heard by the first', async () => {
  const early = (_: EngineOptions, emit: (event: EngineEvent) => void): Promise<Engine> => {
    emit({ type: 'need-token', renew: false });
    emit({ type: 'error', error: { code: 'X', message: 'x' } });
    return Promise.resolve({ status: () => STATUS, streams: () => [] } as unknown as Engine);
  };
  const host = await Host.open({ Database: { open: early, remove: async () => {} }, Import: noImports }, OPTIONS, true, {
    crashed: () => {},
    deleted: async () => {},
    yielded: () => {},
    remembers: async () => true,
  });
  const posted: WorkerMessage[] = [];
  host.receive({ id: 'a', visible: true, send: (message) => posted.push(message) }, { op: 'open', options: OPTIONS, id: 1 });
  assert.deepEqual(
    posted.map(({ type }) => type),
    ['ok', 'wanted', 'streams', 'need-token', 'error'],
  );
});

test('what one page wants of the connection all are told', async () => {
  const { page, ask } = await setUp();
  const other = page('other');
  ask({ op: 'online', wanted: false });
  assert.deepEqual(other.posted.at(-1), { type: 'wanted', online: false });
});

test('a host that gives way finishes what runs, and what waits is not run', async () => {
  const { host, ask, answerTo, log } = await setUp();
  ask({ op: 'begin', transaction: 't' });
  const read = ask({ op: 'read', call: CALL });
  host.yield();
  ask({ op: 'step', transaction: 't', call: CALL });
  const commit = ask({ op: 'commit', transaction: 't', request: 'r' });
  assert.deepEqual(log, ['begin', 'step', 'commit r', 'close', 'yielded']);
  assert.deepEqual([failed(answerTo(commit)), answerTo(read)], ['ok', undefined]);
});

test('a page of a newer schema makes the host give way, one whose tables the host has is served, another is told to reload', async () => {
  const column = (name: string) => ({ name, type: 'TEXT', nullable: true, unique: false }) as const;
  const table = (...columns: string[]) => ({ name: 'todos', columns: columns.map(column), primary_key: ['id'], indexes: [], local_only: false });
  const schema = (version: number, ...columns: string[]) => ({ ...OPTIONS, schema: { version, tables: [table(...columns)], sql: [] } });
  const open = async (page: ReturnType<typeof schema>) => {
    const { log, page: other } = await setUp({}, schema(2, 'id', 'title'));
    const { answerTo, first } = other('other', page);
    const answer = answerTo(first);
    return log.includes('yielded') ? 'gives way' : answer?.type === 'failed' ? (answer.error.details as { action?: string }).action : answer?.type;
  };
  const answers = [
    schema(2, 'id', 'title'),
    schema(1, 'id'),
    schema(2, 'id', 'title', 'note'),
    schema(3, 'id'),
    schema(1, 'id', 'gone'),
    schema(2, 'id', 'note'),
  ];
  assert.deepEqual(await Promise.all(answers.map(open)), ['ok', 'ok', 'gives way', 'gives way', 'reload', 'reload']);
});

test('a page that synchronises makes a host give way that cannot', async () => {
  const { page, log } = await setUp();
  page('other', { ...OPTIONS, sync: { url: 'x' } });
  assert.equal(log.at(-1), 'yielded');
});

test('when a page switches the user the others open anew, and what they asked for before is not done', async () => {
  const { page, ask, log } = await setUp({ status: () => ({ ...STATUS, user: ANN }) }, ON_DISK);
  const other = page('other');
  other.ask({ op: 'live', live: 7, call: CALL });
  ask({ op: 'switch', user: EVE, discardPending: false });
  const stale = other.ask({ op: 'write', request: 'r', call: CALL });
  await settle();
  assert.equal(other.posted.at(-1)?.type, 'moved');
  const again = other.ask({ op: 'open', options: ON_DISK });
  await settle();
  assert.deepEqual([failed(other.answerTo(again)), other.answerTo(stale)], ['ok', undefined]);
  assert.deepEqual(log, ['live 1', 'unlive 1', 'close']);
});

/** An engine that stores later: `store` says how it went. */
function slowStore() {
  const waiting: { resolve: () => void; reject: (error: unknown) => void }[] = [];
  return {
    settle: () => new Promise<void>((resolve, reject) => waiting.push({ resolve, reject })),
    store: async (failure?: WireError) => {
      await settle();
      for (const { resolve, reject } of waiting.splice(0)) failure ? reject(failure) : resolve();
      return settle();
    },
  };
}

const FULL: WireError = { code: 'QuotaExceeded', message: 'no room', retryable: false };

test('nothing is answered before what it rests on is stored, neither a write nor a read', async () => {
  const store = slowStore();
  const { ask, answerTo, log } = await setUp({ settle: store.settle });
  const asked = [ask({ op: 'write', request: 'r1', call: CALL }), ask({ op: 'read', call: CALL }), ask({ op: 'write', request: 'r2', call: CALL })];
  assert.deepEqual(log, ['write r1', 'read', 'write r2'], 'they run, and share what is stored');
  await settle();
  assert.deepEqual(asked.map(answerTo), [undefined, undefined, undefined]);
  await store.store();
  assert.deepEqual(
    asked.map((id) => answerTo(id)?.type),
    ['ok', 'ok', 'ok'],
  );
});

test('commits that could not be stored fail before every page opens the database anew, without them', async () => {
  const store = slowStore();
  const { ask, answerTo, page, posted, log, opened, emit } = await setUp({ settle: store.settle }, ON_DISK);
  const other = page('other', ON_DISK);
  const write = ask({ op: 'write', request: 'r1', call: CALL });
  posted.length = 0;
  emit({ type: 'unsaved', error: FULL });
  const late = ask({ op: 'write', request: 'r2', call: CALL });
  await settle();
  assert.deepEqual(log, ['write r1'], 'nothing is closed while somebody waits');
  await store.store(FULL);
  assert.equal(failed(answerTo(write)), 'QuotaExceeded');
  assert.deepEqual(
    posted.map(({ type }) => type),
    ['error', 'failed', 'moved'],
    'or the page would ask again for what was refused',
  );
  assert.equal(other.posted.at(-1)?.type, 'moved');
  assert.deepEqual([opened.at(-1)?.marked, opened.at(-1)?.online], ['opfs', false], 'it is looked for where it was, and the network waits');
  assert.deepEqual([log, answerTo(late)], [['write r1', 'close'], undefined], 'what came meanwhile is asked again');

  ask({ op: 'open', options: ON_DISK });
  const again = ask({ op: 'write', request: 'r2', call: CALL });
  await store.store();
  assert.equal(answerTo(again)?.type, 'ok');
  assert.equal(log.at(-1), 'online true', 'there is room again');
  emit({ type: 'unsaved', error: FULL });
  await settle();
  assert.equal(log.at(-1), 'close');
  mock.timers.tick(10_000);
  assert.equal(log.at(-1), 'online true', 'or it is tried');
});

test('nothing is closed, handed over or left before what was answered for is stored', async () => {
  for (const leave of ['yield', 'switch', 'delete'] as const) {
    const store = slowStore();
    const { ask, host, log } = await setUp({ settle: store.settle, status: () => ({ ...STATUS, user: ANN }) }, ON_DISK);
    ask({ op: 'write', request: 'r1', call: CALL });
    if (leave === 'yield') host.yield();
    if (leave === 'switch') ask({ op: 'switch', user: EVE, discardPending: false });
    if (leave === 'delete') ask({ op: 'delete', discardPending: true });
    await settle();
    assert.deepEqual(log, ['write r1'], leave);
    await store.store();
    await store.store();
    assert.equal(log[1], 'close', leave);
  }
});

test('a user who cannot be left because nothing can be stored stays', async () => {
  const store = slowStore();
  const { ask, answerTo, log, opened } = await setUp({ settle: store.settle, status: () => ({ ...STATUS, user: ANN }) }, ON_DISK);
  const switching = ask({ op: 'switch', user: EVE, discardPending: false });
  await store.store(FULL);
  assert.equal(failed(answerTo(switching)), 'QuotaExceeded');
  assert.deepEqual([log, opened.length, opened.at(-1)?.user], [['close'], 2, undefined]);
});
