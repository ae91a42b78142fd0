import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, mock, test } from 'node:test';
import { FakeWorker, STATUS, settle } from '../tests/unit/fake-worker.js';
import { id, text } from './column.js';
import {
  AdoptRequired,
  AuthRequired,
  Closed,
  ConfirmTimeout,
  InsecureContext,
  PendingWrites,
  type SeaworthyError,
  ServerSide,
  UserChanged,
  WriteRejected,
} from './errors.js';
import type { RejectedMessage, StatusMessage } from './messages.js';
import { open } from './open.js';
import { schema } from './schema.js';
import { sql } from './sql.js';
import { table } from './table.js';

const app = schema({ todos: table({ id: id(), title: text() }) });
const GRACE_MS = 1000;

let workers: FakeWorker[] = [];
const worker = (): FakeWorker => workers.at(-1) as FakeWorker;
let page = new EventTarget();

/** As much of a page as opening a database needs. */
function pretendToBeAPage(secure = true): void {
  page = new EventTarget();
  const start = function start() {
    workers.push(new FakeWorker());
    return worker();
  };
  const address = { href: 'https://app.example/', origin: 'https://app.example' };
  Object.assign(globalThis, {
    Worker: start,
    location: address,
    isSecureContext: secure,
    fetch: () => Promise.reject(new Error('There is no network here.')),
    document: Object.assign(new EventTarget(), { baseURI: address.href }),
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  });
}

function stopPretending(): void {
  for (const name of ['Worker', 'fetch', 'location', 'isSecureContext', 'document', 'addEventListener', 'removeEventListener']) {
    Reflect.deleteProperty(globalThis, name);
  }
}

before(() => mock.timers.enable({ apis: ['setTimeout'] }));
after(() => mock.timers.reset());
beforeEach(() => {
  workers = [];
  pretendToBeAPage();
});
afterEach(stopPretending);

let count = 0;
const fresh = (): string => `db-${count++}`;
const options = (name = fresh()) => ({ name, schema: app, workerUrl: 'https://app.example/worker.js', wasmUrl: '/seaworthy.wasm' });

/** Lets a close that was answered finish. */
async function closed(closing: Promise<void>): Promise<void> {
  await settle();
  worker().answer('close', null);
  await closing;
}

test('the same name gives the same handle, which closes a second after the last release', async () => {
  const name = fresh();
  const first = open(options(name));
  const second = open(options(name));
  assert.equal(first, second);
  worker().open();
  await first.ready;
  await first.close();
  mock.timers.tick(GRACE_MS * 2);
  assert.equal(worker().terminated, false);
  const closing = second.close();
  mock.timers.tick(GRACE_MS - 1);
  assert.ok(!worker().ops().includes('close'));
  mock.timers.tick(1);
  await closed(closing);
  assert.ok(worker().terminated);
  assert.equal(second.status.getSnapshot().connection, 'closed');
  await assert.rejects(second.all(sql`SELECT 1`), Closed);
  assert.notEqual(open(options(name)), first);
});

test('opening again within the second keeps the database open', async () => {
  const name = fresh();
  const first = open(options(name));
  const closing = first.close();
  mock.timers.tick(GRACE_MS / 2);
  assert.equal(open(options(name)), first);
  await closing;
  mock.timers.tick(GRACE_MS * 2);
  await settle();
  assert.equal(workers.length, 1);
  assert.equal(worker().terminated, false);
});

test('an equal schema is the same schema, another one replaces the handle in development', async () => {
  const name = fresh();
  const first = open(options(name));
  const again = open({ ...options(name), schema: schema({ todos: table({ id: id(), title: text() }) }) });
  assert.equal(again as unknown, first);
  const other = open({ ...options(name), schema: schema({ todos: table({ id: id(), title: text(), note: text().nullable() }) }) });
  assert.notEqual(other as unknown, first);
  assert.equal(workers.length, 2);
});

test('on a server the handle is inert', async () => {
  stopPretending();
  const db = open(options());
  await assert.rejects(db.ready, ServerSide);
  await assert.rejects(db.tables.todos.all(), ServerSide);
  await assert.rejects(
    db.transaction(() => 1),
    ServerSide,
  );
  const live = db.live(sql`SELECT 1`);
  assert.equal(live.getSnapshot(), undefined);
  assert.equal(db.status.getSnapshot().connection, 'offline');
});

test('an insecure page is told so, unless memory will do', async () => {
  pretendToBeAPage(false);
  const db = open(options());
  await assert.rejects(db.ready, InsecureContext);
  await assert.rejects(db.tables.todos.all(), InsecureContext);
  assert.equal(db.status.getSnapshot().error?.code, 'InsecureContext');
  open({ ...options(), storage: 'memory' });
  assert.equal(workers.length, 1);
});

test('addresses are made absolute', () => {
  open({ ...options(), sync: { url: '/sync/v1/', token: () => null } });
  const { sync, wasmUrl, online } = worker().last('open').options;
  assert.deepEqual([sync, wasmUrl, online], [{ url: 'https://app.example/sync/v1' }, 'https://app.example/seaworthy.wasm', true]);
});

test('a page that goes to the back-forward cache ends its worker, and starts one when it comes back', () => {
  open(options());
  page.dispatchEvent(new Event('pagehide'));
  assert.ok(worker().terminated);
  page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: false }));
  assert.equal(workers.length, 1);
  page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  assert.equal(workers.length, 2);
  document.dispatchEvent(new Event('freeze'));
  document.dispatchEvent(new Event('resume'));
  assert.equal(workers.length, 3);
});

test('a second tab is told in the status', () => {
  const db = open(options());
  assert.equal(db.status.getSnapshot().owner, 'opening');
  worker().say({ type: 'owner', owner: 'other-tab' });
  assert.equal(db.status.getSnapshot().owner, 'other-tab');
});

test('the status keeps its identity until it changes, and names what needs a person', async () => {
  const db = open(options());
  const errors: SeaworthyError[] = [];
  db.on('error', (error) => errors.push(error));
  worker().open();
  await db.ready;
  const before = db.status.getSnapshot();
  worker().say({ type: 'status', status: STATUS });
  assert.equal(db.status.getSnapshot(), before);
  const user = { issuer: 'i', subject: 'ann' };
  const status: StatusMessage = { ...STATUS, connection: 'needs-auth', pending: 2, last_synced_at_ms: 5, user };
  worker().say({ type: 'status', status });
  worker().say({ type: 'status', status: { ...status, pending: 3 } });
  worker().say({ type: 'status', status: { ...status, connection: 'user-changed' } });
  assert.deepEqual(
    errors.map(({ code }) => code),
    ['AuthRequired', 'UserChanged'],
  );
  const { lastSyncedAt, pending } = db.status.getSnapshot();
  assert.deepEqual([lastSyncedAt, pending, db.user], [new Date(5), 2, user]);
});

const RECEIPT = { id: 'tx1', sequence: 1, changes: 1 };
const REJECTED: RejectedMessage = {
  id: 'tx1',
  code: 'forbidden',
  message: 'not yours',
  position: 3,
  committed_at_ms: 0,
  changes: [{ table: 'todos', op: 'update', key: { id: 't' }, old: { title: 'a' }, new: { title: { blob: 'AQI=' } } }],
};

async function written() {
  const db = open(options());
  worker().open();
  const insert = db.tables.todos.insert({ title: 'Milk' });
  worker().answer('write', { receipt: RECEIPT, buffer: new Uint8Array() });
  return { db, receipt: await insert };
}

test('a receipt has the whole row with its defaults', async () => {
  const { receipt } = await written();
  const [row] = receipt.rows;
  assert.match(row?.id ?? '', /^[0-9a-f-]{36}$/);
  assert.deepEqual([row?.title, receipt.id, receipt.changes], ['Milk', 'tx1', 1]);
});

test('a write is confirmed by an event, or by its fate where the event is past', async () => {
  const { receipt } = await written();
  const waiting = receipt.confirmed();
  worker().answer('fate', { state: 'pending' });
  worker().say({ type: 'confirmed', ids: ['tx1'] });
  await waiting;
  const later = receipt.confirmed();
  worker().answer('fate', { state: 'confirmed' });
  await later;
});

test('a refused write rejects its confirmation, and the event carries its rows', async () => {
  const { db, receipt } = await written();
  const refused: unknown[] = [];
  db.on('rejected', ({ reason, changes }) => refused.push([reason, changes[0]?.new.title]));
  const waiting = receipt.confirmed();
  worker().say({ type: 'rejected', writes: [REJECTED] });
  await assert.rejects(waiting, (error) => error instanceof WriteRejected && error.reason === 'forbidden');
  assert.deepEqual(refused, [['forbidden', new Uint8Array([1, 2])]]);
});

test('a discarded write rejects its confirmation without an event', async () => {
  const { db, receipt } = await written();
  let events = 0;
  db.on('rejected', () => {
    events += 1;
  });
  const waiting = receipt.confirmed();
  worker().say({ type: 'rejected', writes: [{ ...REJECTED, code: 'discarded' }] });
  await assert.rejects(waiting, (error) => error instanceof WriteRejected && error.reason === 'discarded');
  assert.equal(events, 0);
});

test('a conflict shows its rows with the values of the application', async () => {
  const { db } = await written();
  const seen: unknown[] = [];
  db.on('rejected', ({ conflicts }) => seen.push(...conflicts));
  const remote = { title: { integer: '9007199254740993' } };
  const conflict = { table: 'todos', kind: 'data', key: { id: 't' }, base: { title: 'a' }, local: null, remote } as const;
  worker().say({ type: 'rejected', writes: [{ ...REJECTED, code: 'conflict', conflicts: [conflict] }] });
  assert.deepEqual(seen, [{ ...conflict, remote: { title: 9007199254740993n } }]);
});

test('a confirmation that takes too long times out, and one that is aborted stops', async () => {
  const { receipt } = await written();
  const late = receipt.confirmed({ timeout: 50 });
  const controller = new AbortController();
  const aborted = receipt.confirmed({ signal: controller.signal });
  mock.timers.tick(50);
  await assert.rejects(late, ConfirmTimeout);
  controller.abort(new Error('enough'));
  await assert.rejects(aborted, { message: 'enough' });
});

test('after a restart the fate of what is waited for is asked again', async () => {
  const { receipt } = await written();
  const waiting = receipt.confirmed();
  worker().answer('fate', { state: 'pending' });
  page.dispatchEvent(new Event('pagehide'));
  page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }));
  worker().open();
  worker().answer('fate', { state: 'confirmed' });
  await waiting;
});

test('a write that nobody awaits and that fails reaches the error event', async () => {
  const db = open(options());
  const errors: SeaworthyError[] = [];
  db.on('error', (error) => errors.push(error));
  worker().open();
  void db.tables.todos.insert({ title: 'Milk' });
  worker().refuse('write', 'ConstraintViolation', 'UNIQUE');
  void db.tables.todos.insert({ title: undefined as unknown as string });
  await settle();
  mock.timers.tick(1);
  await settle();
  assert.deepEqual(errors.map(({ code }) => code).sort(), ['BadValue', 'ConstraintViolation']);
});

test('equal live queries are one, others are not', () => {
  const db = open(options());
  const query = (done: number | string) => db.live(sql`SELECT * FROM todos WHERE done = ${done}`);
  assert.equal(query(1), query(1));
  assert.notEqual(query(1), query(2));
  assert.notEqual(query(1), query('1'));
  assert.equal(db.tables.todos.live(), db.tables.todos.live());
});

test('deleting ends the handle', async () => {
  const name = fresh();
  const db = open(options(name));
  worker().open();
  const deleting = db.delete();
  worker().answer('delete', null);
  await deleting;
  await assert.rejects(db.all(sql`SELECT 1`), Closed);
  assert.notEqual(open(options(name)), db);
});

const jwt = (sub: string): string => `x.${Buffer.from(JSON.stringify({ iss: 'i', sub })).toString('base64url')}.y`;
const ANN = { issuer: 'i', subject: 'ann' };
const EVE = { issuer: 'i', subject: 'eve' };

/** A database that ann has open, with a write that she waits for; eve is signed in. */
async function annsDatabase() {
  const db = open({ ...options(), sync: { url: '/sync/v1', token: () => jwt('eve') } });
  worker().open();
  worker().say({ type: 'status', status: { ...STATUS, user: ANN } });
  const writing = db.tables.todos.insert({ title: 'Milk' });
  worker().answer('write', { receipt: RECEIPT, buffer: new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]) });
  return { db, waiting: (await writing).confirmed() };
}

test('switching the user asks the worker for the one of the token, and what the former one waits for says so', async () => {
  const { db, waiting } = await annsDatabase();
  worker().answer('fate', { state: 'pending' });
  const results: unknown[] = [];
  db.live(sql`SELECT 1`).subscribe((rows) => results.push(rows));
  worker().answer('live', new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0]));
  await settle();
  const switching = db.switchUser();
  for (let turn = 0; turn < 3; turn++) {
    await settle();
    if (worker().ops().includes('acknowledge')) worker().answer('acknowledge', null);
  }
  const asked = worker().last('switch');
  assert.deepEqual([asked.user, asked.discardPending], [EVE, false]);
  worker().answer('switch', { switched: true, status: { ...STATUS, user: EVE } });
  await assert.rejects(waiting, UserChanged);
  await settle();
  worker().answer('token', null);
  await switching;
  assert.deepEqual(db.user, EVE);
  assert.equal(
    worker()
      .ops()
      .filter((op) => op === 'live').length,
    2,
    'the live query is asked anew',
  );
});

test('adopting gives the token first, and needs one', async () => {
  let token: string | null = null;
  const db = open({ ...options(), sync: { url: '/sync/v1', token: () => token } });
  worker().open();
  await db.ready;
  await assert.rejects(db.adopt(), AuthRequired);
  await assert.rejects(db.switchUser(), AuthRequired);
  const errors: SeaworthyError[] = [];
  db.on('error', (error) => errors.push(error));
  worker().say({ type: 'status', status: { ...STATUS, connection: 'needs-adopt' } });
  assert.deepEqual(
    errors.map((error) => error instanceof AdoptRequired),
    [true],
  );
  token = jwt('ann');
  const adopting = db.adopt();
  await settle();
  worker().answer('token', null);
  await settle();
  worker().answer('adopt', null);
  await adopting;
  assert.deepEqual(worker().ops().slice(-2), ['token', 'adopt']);
});

test('a deletion that would lose writes fails, and the handle goes on', async () => {
  const db = open(options());
  worker().open();
  const deleting = db.delete();
  assert.equal(worker().last('delete').discardPending, false);
  worker().refuse('delete', 'PendingWrites');
  await assert.rejects(deleting, PendingWrites);
  assert.notEqual(db.status.getSnapshot().connection, 'closed');
  void db.delete({ discardPending: true }).catch(() => {});
  assert.equal(worker().last('delete').discardPending, true);
});
