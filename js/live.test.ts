import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import { settle } from '../tests/unit/fake-worker.js';
import { type Cell, pack } from '../tests/unit/pack.js';
import { id, integer, json, text } from './column.js';
import { BadSql, type SeaworthyError } from './errors.js';
import { LiveQuery } from './live.js';
import { type Schema, schema } from './schema.js';
import { table } from './table.js';

interface Row {
  readonly id: string;
  readonly title: string;
  readonly tags: unknown;
}

const app = schema({ todos: table({ id: id(), title: text(), tags: json(), n: integer() }) }) as Schema;
const LINGER_MS = 1000;

before(() => mock.timers.enable({ apis: ['setTimeout'] }));
after(() => mock.timers.reset());

/** The result of a query over todos, or over an expression when `origin` is not given. */
function result(rows: readonly (readonly [string, string, string?])[], keyed = true): Uint8Array {
  const column = (name: string, nth: number) => ({
    name,
    table: keyed ? 'todos' : '',
    origin: keyed ? name : '',
    cells: rows.map((row): Cell => row[nth] ?? '[]'),
  });
  return pack({ columns: ['id', 'title', 'tags'].map(column) });
}

function setUp(first = result([['a', 'A']])) {
  const log: string[] = [];
  const unheard: SeaworthyError[] = [];
  const live = new LiveQuery<Row>({
    schema: app,
    open: async () => {
      log.push('open');
      return first;
    },
    close: () => log.push('close'),
    idle: (forgotten) => log.push(forgotten ? 'forgotten' : 'remembered'),
    unheard: (error) => unheard.push(error),
  });
  return { live, log, unheard };
}

test('the first delivery is the whole result, and the snapshot is the same array', async () => {
  const { live, log } = setUp();
  assert.equal(live.getSnapshot(), undefined);
  const seen: (readonly Row[])[] = [];
  live.subscribe((rows) => seen.push(rows));
  await settle();
  assert.deepEqual(seen, [[{ id: 'a', title: 'A', tags: [] }]]);
  assert.equal(live.getSnapshot(), seen[0]);
  assert.equal(live.getSnapshot(), live.getSnapshot());
  assert.deepEqual(log, ['remembered', 'open']);
});

test('a second subscriber shares the watch, and gets what there is', async () => {
  const { live, log } = setUp();
  live.subscribe(() => {});
  await settle();
  const seen: (readonly Row[])[] = [];
  live.subscribe((rows) => seen.push(rows));
  await settle();
  assert.equal(seen.length, 1);
  assert.equal(log.filter((entry) => entry === 'open').length, 1);
});

test('rows that did not change keep their identity, wherever they move', async () => {
  const { live } = setUp(
    result([
      ['a', 'A'],
      ['b', 'B'],
      ['c', 'C', '["x"]'],
    ]),
  );
  live.subscribe(() => {});
  await settle();
  const [a, b, c] = live.getSnapshot() ?? [];
  live.receive(
    result([
      ['c', 'C', '["x"]'],
      ['new', 'N'],
      ['a', 'changed'],
      ['b', 'B'],
    ]),
  );
  const now = live.getSnapshot() ?? [];
  assert.equal(now[0], c);
  assert.deepEqual(now[1], { id: 'new', title: 'N', tags: [] });
  assert.notEqual(now[2], a);
  assert.equal(now[3], b);
});

test('without a key in the result, rows keep their identity in place', async () => {
  const first = [
    ['a', 'A'],
    ['b', 'B'],
  ] as const;
  const { live } = setUp(result(first, false));
  live.subscribe(() => {});
  await settle();
  const [a, b] = live.getSnapshot() ?? [];
  live.receive(result([...first, ['c', 'C']], false));
  assert.deepEqual([live.getSnapshot()?.[0] === a, live.getSnapshot()?.[1] === b], [true, true]);
});

test('a result that did not change is not delivered', async () => {
  const { live } = setUp();
  let deliveries = 0;
  live.subscribe(() => deliveries++);
  await settle();
  const before = live.getSnapshot();
  live.receive(result([['a', 'A']]));
  assert.equal(deliveries, 1);
  assert.equal(live.getSnapshot(), before);
  live.receive(result([]));
  assert.deepEqual([deliveries, live.getSnapshot()], [2, []]);
});

test('a slow reader gets the newest result, and none of those between', async () => {
  const { live } = setUp();
  const seen: string[] = [];
  for await (const rows of live) {
    seen.push(rows[0]?.title ?? '');
    if (seen.length === 2) break;
    for (const title of ['B', 'C', 'D']) live.receive(result([['a', title]]));
  }
  assert.deepEqual(seen, ['A', 'D']);
});

test('leaving the loop ends the watch after a moment, an abort ends the loop', async () => {
  const { live, log } = setUp();
  for await (const _rows of live) break;
  assert.ok(!log.includes('close'));
  mock.timers.tick(LINGER_MS);
  assert.deepEqual(log, ['remembered', 'open', 'close', 'forgotten']);
  const controller = new AbortController();
  let results = 0;
  for await (const _rows of live.results({ signal: controller.signal })) {
    results++;
    controller.abort();
  }
  assert.equal(results, 1);
});

test('a component that is mounted again keeps the watch', async () => {
  const { live, log } = setUp();
  const stop = live.subscribe(() => {});
  await settle();
  stop();
  mock.timers.tick(LINGER_MS / 2);
  live.subscribe(() => {});
  mock.timers.tick(LINGER_MS * 2);
  assert.deepEqual(log, ['remembered', 'open']);
});

test('a query that nobody ever subscribes to is forgotten and never runs', () => {
  const { log } = setUp();
  mock.timers.tick(LINGER_MS);
  assert.deepEqual(log, ['forgotten']);
});

test('an error reaches the subscriber and does not end the query; unheard it is reported', async () => {
  const { live, unheard } = setUp();
  const errors: SeaworthyError[] = [];
  const stop = live.subscribe(
    () => {},
    (error) => errors.push(error),
  );
  await settle();
  live.refuse({ code: 'BadSql', message: 'no such table' });
  assert.ok(errors[0] instanceof BadSql);
  live.receive(result([['a', 'again']]));
  assert.equal(live.getSnapshot()?.[0]?.title, 'again');
  stop();
  live.subscribe(() => {});
  live.refuse({ code: 'BadSql', message: 'no such table' });
  assert.deepEqual([errors.length, unheard.length], [1, 1]);
});

test('an error ends a loop by throwing', async () => {
  const { live } = setUp();
  await assert.rejects(async () => {
    for await (const _rows of live) live.refuse({ code: 'BadSql', message: 'gone' });
  }, BadSql);
});

test('a listener that throws does not keep the others from hearing', async () => {
  const { live } = setUp();
  const thrown: unknown[] = [];
  globalThis.reportError = (error) => thrown.push(error);
  let heard = false;
  live.subscribe(() => {
    throw new Error('of the application');
  });
  live.subscribe(() => {
    heard = true;
  });
  await settle();
  assert.ok(heard);
  assert.match(String(thrown[0]), /of the application/);
});

test('another worker is asked again, and an equal result changes nothing', async () => {
  const { live, log } = setUp();
  let deliveries = 0;
  live.subscribe(() => deliveries++);
  live.restarted();
  await settle();
  assert.deepEqual(log, ['remembered', 'open'], 'what is under way is repeated by the connection');
  live.restarted();
  await settle();
  assert.deepEqual([log, deliveries], [['remembered', 'open', 'open'], 1]);
});
