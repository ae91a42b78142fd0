import assert from 'node:assert/strict';
import { afterEach, before, mock, test } from 'node:test';
import { noImports } from '../../tests/unit/fake-imports.js';
import { FakeLocks } from '../../tests/unit/fake-locks.js';
import { STATUS } from '../../tests/unit/fake-worker.js';
import type { OpenRequest, Request, RequestBody, StatusMessage, WorkerMessage } from '../messages.js';
import type { StorageTier } from '../storage.js';
import type { Engine, EngineOptions } from './engine.js';
import { Session } from './session.js';

const CALL = new Uint8Array([1]);
const SCHEMA = { version: 1, tables: [], sql: [] };
const SILENCE_MS = 2000;

let now = 0;
let count = 0;
const tabs: { kill(): void }[] = [];

before(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  mock.method(performance, 'now', () => now);
});
afterEach(() => {
  for (const tab of tabs.splice(0)) tab.kill();
});

/** Lets time pass. */
function pass(ms: number): void {
  now += ms;
  mock.timers.tick(ms);
}

async function until(what: string, holds: () => unknown): Promise<void> {
  for (let turn = 0; turn < 500; turn++) {
    if (holds()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.fail(`Waited for ${what}.`);
}

/** The workers of several tabs of one browser. */
function browser() {
  const locks = new FakeLocks();
  const options = { name: `db-${count++}`, storage: ['opfs'], online: true, schema: SCHEMA, sync: null, transactionIdleMs: 2000, transactionTotalMs: 10_000 };
  const tab = (name: string, open: (options: EngineOptions) => Promise<Engine> = async () => engine(name), marked: StorageTier | null = null) => {
    const posted: WorkerMessage[] = [];
    const removed: string[] = [];
    const module = { Database: { open, remove: async (gone: string) => void removed.push(gone) }, Import: noImports };
    const session = new Session(
      (message) => posted.push(message),
      async () => module,
      locks.of(name),
    );
    let id = 0;
    const ask = (body: RequestBody): number => {
      session.receive({ ...body, id: ++id } as Request);
      return id;
    };
    const answerTo = (wanted: number) => posted.find((message) => 'id' in message && message.id === wanted);
    const answered = async (wanted: number) => {
      await until(`the answer to ${wanted} in ${name}`, () => answerTo(wanted));
      return answerTo(wanted);
    };
    const owner = () => posted.findLast((message) => message.type === 'owner')?.owner;
    const open_ = () => answered(ask({ op: 'open', options: { ...options, marked } as unknown as OpenRequest }));
    const moves = () => posted.filter(({ type }) => type === 'moved').length;
    // Nothing that was alive in it says another word.
    const kill = (): void => {
      session.receive({ op: 'close', id: 1_000_000 });
      locks.kill(name);
    };
    tabs.push({ kill });
    return { session, posted, removed, ask, answered, owner, open: open_, moves, kill };
  };
  return { tab, locks, name: options.name };
}

/** An engine whose reads say who answered. */
function engine(name: string): Engine {
  const quiet = () => undefined;
  return {
    read: () => new TextEncoder().encode(name),
    status: () => STATUS,
    streams: () => [],
    settle: () => undefined,
    acknowledge: quiet,
    answered_pages: () => [],
    forget_pages: quiet,
    online: quiet,
    close: quiet,
    pending_elsewhere: () => 0,
  } as unknown as Engine;
}

const words = (message: WorkerMessage | undefined) => (message?.type === 'ok' ? new TextDecoder().decode(message.answer as Uint8Array) : message?.type);
const code = (message: WorkerMessage | undefined) => (message?.type === 'failed' ? message.error.code : message?.type);

test('the first tab owns the database, the second is served by it, and takes over when it is gone', async () => {
  const { tab } = browser();
  const [first, second] = [tab('first'), tab('second')];
  await first.open();
  await second.open();
  assert.deepEqual([first.owner(), second.owner()], ['this-tab', 'other-tab']);
  assert.equal(words(await second.answered(second.ask({ op: 'read', call: CALL }))), 'first');
  first.kill();
  await until('the second to own it', () => second.owner() === 'this-tab');
  assert.equal(second.moves(), 1);
  second.ask({ op: 'read', call: CALL });
  await second.open();
  assert.equal(words(await second.answered(second.ask({ op: 'read', call: CALL }))), 'second');
});

test('a third tab follows whoever owns it, one after another', async () => {
  const { tab } = browser();
  const tabs = [tab('a'), tab('b'), tab('c')] as const;
  for (const each of tabs) await each.open();
  tabs[0].kill();
  await until('the third to be told', () => tabs[2].moves() === 1);
  await tabs[2].open();
  assert.equal(words(await tabs[2].answered(tabs[2].ask({ op: 'read', call: CALL }))), 'b');
});

test('a tab that cannot open it lets another try, and can delete it', async () => {
  const { tab } = browser();
  const refuse = (): Promise<Engine> => Promise.reject({ code: 'SchemaMismatch', message: 'differs' });
  const [broken, sound] = [tab('broken', refuse), tab('sound')];
  assert.equal(code(await broken.open()), 'SchemaMismatch');
  assert.equal(code(await sound.open()), 'ok');
  sound.session.receive({ op: 'close', id: 99 });
  assert.equal(code(await broken.answered(broken.ask({ op: 'delete', discardPending: false }))), 'PendingWrites', 'nobody knows what is pending in it');
  assert.equal(code(await broken.answered(broken.ask({ op: 'delete', discardPending: true }))), 'ok');
  assert.equal(broken.removed.length, 1);
});

test('an owner that is silent is asked whether it lives, and is not counted on after as long again', async () => {
  const { tab, locks } = browser();
  // It has the lock and never says a word, as one that a debugger has stopped.
  const name = `seaworthy:db-${count - 1}`;
  void locks.of('stopped').request(name, () => new Promise(() => {}));
  const waiting = tab('waiting');
  const opening = waiting.open();
  await until('it to wait', () => waiting.owner() === 'other-tab');
  for (let turn = 0; turn < 3; turn++) pass(SILENCE_MS);
  assert.equal(waiting.owner(), 'unresponsive');
  locks.kill('stopped');
  await opening;
  assert.equal(waiting.owner(), 'this-tab');
});

test('an owner that nobody sees for five seconds gives way to one that somebody sees', async () => {
  const { tab } = browser();
  const [hidden, seen] = [tab('hidden'), tab('seen')];
  await hidden.open();
  hidden.session.receive({ op: 'visible', visible: false });
  pass(4000);
  await seen.open();
  assert.equal(seen.owner(), 'other-tab');
  await until('the owner to know that it is seen', () => {
    pass(100);
    return seen.owner() === 'this-tab';
  });
  await until('the former owner to follow', () => hidden.owner() === 'other-tab' && hidden.moves() === 1);
  await hidden.open();
  assert.equal(words(await hidden.answered(hidden.ask({ op: 'read', call: CALL }))), 'seen');
});

test('tabs that are seen wait in front of those that are not', async () => {
  const { tab } = browser();
  const [owner, hidden, seen] = [tab('owner'), tab('hidden'), tab('seen')];
  for (const each of [owner, hidden, seen]) await each.open();
  hidden.session.receive({ op: 'visible', visible: false });
  owner.kill();
  await until('one that is seen to own it', () => seen.owner() === 'this-tab');
  assert.equal(hidden.owner(), 'other-tab');
});

test('who deletes a database in another tab does not open it anew', async () => {
  const { tab } = browser();
  const opened: string[] = [];
  const open = (name: string) => async () => {
    opened.push(name);
    return engine(name);
  };
  const [first, second] = [tab('first', open('first')), tab('second', open('second'))];
  await first.open();
  await second.open();
  assert.equal(code(await second.answered(second.ask({ op: 'delete', discardPending: true }))), 'ok');
  assert.ok(!first.posted.some(({ type }) => type === 'deleted'), 'the page whose end ends the owner is told last');
  second.kill();
  await until('the owner’s page to be told', () => first.posted.some(({ type }) => type === 'deleted'));
  assert.deepEqual([opened, first.removed.length], [['first'], 1]);
});

test('a tab that waited while another deleted the database does not miss it, unless its page does', async () => {
  for (const remembered of [true, false, null]) {
    const { tab } = browser();
    const marks: unknown[] = [];
    const open = async ({ marked }: EngineOptions) => {
      marks.push(marked);
      return { ...engine('second'), status: () => ({ ...STATUS, storage_lost: marked !== null }) } as Engine;
    };
    const [first, second] = [tab('first'), tab('second', open, 'opfs')];
    await first.open();
    const waiting = second.open();
    first.kill();
    await until('the page to be asked', () => second.posted.some(({ type }) => type === 'vanished'));
    if (remembered === null) pass(SILENCE_MS);
    else second.session.receive({ op: 'remembered', remembered });
    const answer = await waiting;
    assert.equal(answer?.type === 'ok' && (answer.answer as StatusMessage).storage_lost, remembered !== false);
    assert.deepEqual(marks, remembered === false ? ['opfs', null] : ['opfs']);
  }
});

test('a trap in the owner’s tab names the request, and blames the tab that asked', async () => {
  const { tab } = browser();
  const deadly = async () =>
    ({
      ...engine('first'),
      read: () => {
        throw new WebAssembly.RuntimeError('unreachable');
      },
    }) as unknown as Engine;
  const [first, second] = [tab('first', deadly), tab('second')];
  await first.open();
  await second.open();
  const read = second.ask({ op: 'read', call: CALL });
  await until('the blame', () => second.posted.some((message) => message.type === 'blamed' && message.id === read));
  assert.ok(first.posted.some((message) => message.type === 'crashed' && message.id === null));
});

test('memory is nobody else’s and needs no lock, files do', async () => {
  const posted: WorkerMessage[] = [];
  const load = async () => ({ Database: { open: async () => engine('alone'), remove: async () => {} }, Import: noImports });
  const session = new Session((message) => posted.push(message), load, undefined);
  session.receive({ op: 'open', options: { name: 'x', storage: ['memory'], schema: SCHEMA, sync: null, online: true } as unknown as OpenRequest, id: 1 });
  await until('the answer', () => posted.some(({ type }) => type === 'ok'));
  const other = new Session((message) => posted.push(message), load, undefined);
  other.receive({ op: 'open', options: { name: 'x', storage: ['opfs'] } as unknown as OpenRequest, id: 2 });
  await until('the refusal', () => code(posted.at(-1)) === 'StorageUnavailable');
});

test('without locks, or where they are refused, there is nothing but memory, if that is allowed', async () => {
  const blocked = { request: () => Promise.reject(new Error('blocked')) } as unknown as LockManager;
  for (const locks of [undefined, blocked]) {
    const posted: WorkerMessage[] = [];
    const opened: EngineOptions[] = [];
    const open = async (given: EngineOptions) => {
      opened.push(given);
      return engine('alone');
    };
    const load = async () => ({ Database: { open, remove: async () => {} }, Import: noImports });
    const session = new Session((message) => posted.push(message), load, locks);
    tabs.push({ kill: () => session.receive({ op: 'close', id: 2 }) });
    const options = { name: 'x', storage: ['opfs', 'memory'], schema: SCHEMA, sync: null, online: true } as unknown as OpenRequest;
    session.receive({ op: 'open', options, id: 1 });
    await until('the answer', () => posted.some(({ type }) => type === 'ok'));
    assert.deepEqual(opened[0]?.storage, ['memory']);
  }
});

test('a tab that reached a busy owner over two links is served over the one that it uses', async () => {
  const { tab, name } = browser();
  const [first, second] = [tab('first'), tab('second')];
  await first.open();
  await second.open();
  const topic = new BroadcastChannel(`seaworthy:${name}`);
  const asked = new Promise<string>((resolve) => {
    topic.onmessage = ({ data }) => data.type === 'connect' && resolve(data.client);
  });
  topic.postMessage({ type: 'owner' });
  const client = await asked;
  await until('the second link', () => second.moves() > 0);
  await second.open();
  // What was sent over the broker before comes late, over a port that nobody listens to.
  topic.postMessage({ type: 'connect', client, link: 'late', release: 1 });
  const before = second.moves();
  await until('the tab to hear of it', () => second.moves() > before);
  await second.open();
  assert.equal(words(await second.answered(second.ask({ op: 'read', call: CALL }))), 'first');
  topic.close();
});
