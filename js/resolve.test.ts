import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { settle } from '../tests/unit/fake-worker.js';
import { boolean, id, real, text } from './column.js';
import type { Connection } from './connection.js';
import { SeaworthyError } from './errors.js';
import type { Conflict } from './generated/protocol.js';
import type { OpenConflict, RejectedMessage, RequestOf } from './messages.js';
import { Resolvers, type RowConflict } from './resolve.js';
import { schema } from './schema.js';
import { type RowOf, table } from './table.js';

const app = schema({
  todos: table({ id: id(), title: text(), done: boolean(), position: real().nullable() }, { onConflict: 'manual' }),
  logs: table({ id: id(), title: text() }),
  bills: table({ id: id(), title: text() }, { onConflict: 'fail' }),
});
type Todo = RowOf<typeof app.todos>;

let open: OpenConflict[] = [];
let resolved: RequestOf<'resolve'>[] = [];
let refusals: SeaworthyError[] = [];
let reported: SeaworthyError[] = [];
let resolvers: Resolvers;

const connection = {
  async call(request: { readonly op: string }): Promise<unknown> {
    if (request.op === 'conflicts') return structuredClone(open);
    const refusal = refusals.shift();
    if (refusal) throw refusal;
    resolved.push(structuredClone(request) as RequestOf<'resolve'>);
    open = open.filter((conflict) => conflict.id !== resolved.at(-1)?.write);
    return { id: 'new', sequence: 9, changes: 1 };
  },
} as unknown as Pick<Connection, 'call'>;

beforeEach(() => {
  [open, resolved, refusals, reported] = [[], [], [], []];
  resolvers = new Resolvers(connection, app, (error) => reported.push(error));
});

const image = (title: string) => ({ title, done: 0, position: { real: '1.0' } });

function row(change: Partial<Conflict> = {}): Conflict {
  return { table: 'todos', kind: 'data', key: { id: 'a' }, base: image('A'), local: image('mine'), remote: image('theirs'), ...change };
}

function rejected(change: Partial<RejectedMessage> = {}): RejectedMessage {
  const base = { id: '1', code: 'conflict', message: '', position: 1, committed_at_ms: 0, changes: [] };
  return { ...base, policy: 'manual', conflicts: [row()], ...change };
}

test('a resolver sees whole rows of the application, and what it returns is committed over the row that it saw', async () => {
  open = [{ id: '1', rows: [row()] }];
  const seen: RowConflict<Todo>[] = [];
  resolvers.set<Todo>('todos', (conflict) => {
    seen.push(conflict);
    return conflict.remote && { ...conflict.remote, title: `${conflict.local?.title} ${conflict.remote.title}`, done: true };
  });
  await settle();
  const whole = (title: string) => ({ id: 'a', title, done: false, position: 1 });
  assert.deepEqual(seen, [{ base: whole('A'), local: whole('mine'), remote: whole('theirs') }]);
  const decision = { table: 'todos', key: { id: 'a' }, over: { remote: image('theirs') }, row: { title: 'mine theirs', done: 1, position: 1 } };
  assert.deepEqual(
    resolved.map(({ op, write, decisions }) => ({ op, write, decisions })),
    [{ op: 'resolve', write: '1', decisions: [decision] }],
  );
  assert.match(resolved[0]?.request ?? '', /^[0-9a-f-]{36}\.\d+$/, 'so that a lost answer is found again');
});

test('a slow resolver is asked once, and holds up no other conflict', async () => {
  open = [
    { id: 'slow', rows: [row()] },
    { id: 'fast', rows: [row({ key: { id: 'b' } })] },
  ];
  const asked: string[] = [];
  let finish: ((title: string) => void) | undefined;
  resolvers.set<Todo>('todos', ({ local }) => {
    asked.push(local?.id ?? '');
    if (local?.id === 'b') return local;
    return new Promise<Partial<Todo>>((resolve) => {
      finish = (title) => resolve({ title });
    });
  });
  await settle();
  resolvers.check();
  await settle();
  assert.deepEqual([asked, resolved.map(({ write }) => write)], [['a', 'b'], ['fast']]);
  finish?.('late');
  await settle();
  assert.deepEqual(resolved.at(-1)?.decisions[0]?.row, { title: 'late' });
});

test('when the row has changed meanwhile it is asked again, and what was decided elsewhere is left alone', async () => {
  open = [{ id: '1', rows: [row()] }];
  refusals = [new SeaworthyError('ConflictMoved', 'moved')];
  const seen: unknown[] = [];
  resolvers.set<Todo>('todos', ({ remote }) => {
    seen.push(remote?.title);
    open = [{ id: '1', rows: [row({ remote: image('newer') })] }];
    return remote;
  });
  await settle();
  assert.deepEqual(seen, ['theirs', 'newer']);
  assert.equal(resolved.length, 1);

  open = [{ id: '2', rows: [row()] }];
  refusals = [new SeaworthyError('UnknownWrite', 'gone')];
  resolvers.check();
  await settle();
  assert.deepEqual([resolved.length, reported], [1, []]);
});

test('a resolver that fails, returns nothing or moves the key leaves the write where it is', async () => {
  const answers: Record<string, () => Partial<Todo> | undefined> = {
    nothing: () => undefined,
    throws: () => {
      throw new Error('boom');
    },
    moves: () => ({ id: 'other' }),
    wrong: () => ({ done: 'yes' }) as unknown as Partial<Todo>,
  };
  open = Object.keys(answers).map((name) => ({ id: name, rows: [row({ key: { id: name } })] }));
  resolvers.set<Todo>('todos', ({ local }) => answers[local?.id ?? '']?.());
  await settle();
  assert.deepEqual(resolved, []);
  assert.deepEqual(reported.map(({ code }) => code).sort(), ['BadValue', 'BadValue', 'ResolverFailed']);
  assert.match(reported.find(({ code }) => code === 'ResolverFailed')?.message ?? '', /boom/);
});

test('null deletes; rows of tables where the last write wins go with the rest; those of stricter tables need a resolver', async () => {
  open = [
    { id: '1', rows: [row({ remote: null }), row({ table: 'logs' })] },
    { id: '2', rows: [row(), row({ table: 'bills' })] },
    { id: '3', rows: [row({ table: 'logs' })] },
  ];
  resolvers.set<Todo>('todos', () => null);
  await settle();
  assert.deepEqual(
    resolved.map(({ write, decisions }) => ({ write, decisions })),
    [{ write: '1', decisions: [{ table: 'todos', key: { id: 'a' }, over: { remote: null }, row: null }] }],
  );
});

test('nobody is alarmed about what a resolver decides, nor about what builds on it', () => {
  const stop = resolvers.set<Todo>('todos', () => undefined);
  assert.equal(resolvers.takes(rejected()), true);
  assert.equal(resolvers.takes(rejected({ id: '2', code: 'depends_on', policy: null, conflicts: [], builds_on: ['1'] })), true);
  assert.equal(resolvers.takes(rejected({ id: '3', code: 'depends_on', policy: null, conflicts: [], builds_on: ['0'] })), false);
  assert.equal(resolvers.takes(rejected({ id: '4', policy: 'fail' })), false);
  assert.equal(resolvers.takes(rejected({ id: '5', conflicts_left_out: 1 })), false);
  stop();
  assert.equal(resolvers.takes(rejected({ id: '6' })), false);
});

test('a table whose rows are not kept for a resolver is refused, with what to declare', () => {
  assert.throws(() => resolvers.set('logs', () => null), /declare table logs with \{ onConflict: 'manual' \}/);
});

test('when another user’s database was opened in between, a user’s conflicts are asked about again', async () => {
  open = [{ id: '1', rows: [row()] }];
  const asked: (string | undefined)[] = [];
  resolvers.set<Todo>('todos', ({ local }) => {
    asked.push(local?.title);
    return undefined;
  });
  await settle();
  open = [];
  resolvers.left();
  await settle();
  open = [{ id: '1', rows: [row()] }];
  resolvers.left();
  await settle();
  assert.deepEqual(asked, ['mine', 'mine']);
});
