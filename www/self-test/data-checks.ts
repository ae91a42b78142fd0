// Checks of what a database holds and answers.

import { sql } from 'seaworthy';
import { expect, until } from './bench.js';
import type { Check, Place } from './check.js';

const BYTES = Uint8Array.from({ length: 256 }, (_, n) => n);
const TEXT = 'naïve \0 🌊';

async function writesAndReads({ db }: Place): Promise<undefined> {
  const { notes } = db.tables;
  const receipt = await notes.insert({ id: 'a', body: 'first', n: 1 });
  expect('The body that the receipt has', receipt.rows[0]?.body, 'first');
  await db.batch([sql`INSERT INTO notes (id, body, n) VALUES ('b', 'second', 2)`, sql`UPDATE notes SET n = n + 10 WHERE id = 'a'`]);
  expect('The row that was updated', (await notes.get('a'))?.n, 11);
  const bodies = (await notes.where({ n: 2 }).orderBy('id').all()).map(({ body }) => body);
  expect('The rows that were asked for', bodies.join(), 'second');
  const { rows } = await db.exec(sql<{ id: string }>`DELETE FROM notes WHERE n = ${2} RETURNING id`);
  expect('The row that was deleted', rows[0]?.id, 'b');
  expect('The rows that are left', await notes.count(), 1);
  expect('The writes that are queued', (await db.writes.pending()).length, 3);
  return undefined;
}

async function valuesComeBack({ db }: Place): Promise<undefined> {
  const { things } = db.tables;
  const at = new Date(1_234_567_890_123);
  const written = { serial: 2n ** 53n + 1n, ratio: 5e-324, flag: true, label: TEXT, bytes: BYTES, at, tags: ['a', '"'] };
  const { rows } = await things.insert(written);
  const read = await things.get(rows[0]?.id ?? '');
  expect('2^53 + 1', read?.serial, written.serial);
  expect('The smallest number', read?.ratio, written.ratio);
  expect('A boolean', read?.flag, true);
  expect('Text with a NUL', read?.label, TEXT);
  expect('Bytes', read?.bytes?.join(), BYTES.join());
  expect('A time', read?.at?.getTime(), at.getTime());
  expect('JSON', JSON.stringify(read?.tags), '["a","\\""]');
  const empty = await things.get((await things.insert({})).rows[0]?.id ?? '');
  expect('NULL', empty?.serial, null);
  const bound = await db.get(sql<{ zero: number; most: bigint }>`SELECT ${-0} AS zero, ${2n ** 63n - 1n} AS most`);
  expect('-0.0', bound?.zero, -0);
  expect('2^63 - 1', bound?.most, 2n ** 63n - 1n);
  return undefined;
}

async function allOrNothing({ db }: Place): Promise<undefined> {
  const before = await db.tables.notes.count();
  await db.transaction(async (tx) => {
    await tx.tables.notes.insert({ id: 'in a transaction', body: 'kept' });
    expect('What the transaction itself sees', (await tx.tables.notes.get('in a transaction'))?.body, 'kept');
  });
  expect('The rows after a commit', await db.tables.notes.count(), before + 1);
  const gaveUp = new Error('given up');
  const thrown = await db
    .transaction(async (tx) => {
      await tx.exec(sql`DELETE FROM notes`);
      throw gaveUp;
    })
    .then(() => null)
    .catch((error: unknown) => error);
  expect('What a transaction that throws ends with', thrown, gaveUp);
  expect('The rows after a rollback', await db.tables.notes.count(), before + 1);
  const batch = db.batch([sql`DELETE FROM notes`, sql`INSERT INTO notes (id, body) VALUES ('x', NULL)`]);
  const code = await batch.then(() => 'none').catch((error: { code?: string }) => error.code);
  expect('The code of a batch that fails', code, 'ConstraintViolation');
  expect('The rows after it', await db.tables.notes.count(), before + 1);
  return undefined;
}

async function liveFollows({ db }: Place): Promise<undefined> {
  const seen: number[] = [];
  const stop = db.live(sql<{ n: number }>`SELECT count(*) AS n FROM notes WHERE body = 'watched'`).subscribe((rows) => void seen.push(rows[0]?.n ?? -1));
  await until('the first result', () => seen.at(-1) === 0);
  await db.tables.notes.insert({ id: 'watched', body: 'watched' });
  await until('the result after a write', () => seen.at(-1) === 1);
  await db.tables.notes.delete('watched');
  await until('the result after a deletion', () => seen.at(-1) === 0);
  stop();
  return undefined;
}

async function findsWords({ db }: Place): Promise<undefined> {
  await db.tables.notes.insertMany([
    { id: 'sea', body: 'A ship that is worthy of the sea' },
    { id: 'land', body: 'A house that stands on land' },
  ]);
  const found = await db.all(sql<{ body: string }>`SELECT body FROM words WHERE words MATCH ${'ship AND sea'} ORDER BY rank`);
  expect('What was found', found.map(({ body }) => body).join(), 'A ship that is worthy of the sea');
  return undefined;
}

export const dataChecks: readonly Check[] = [
  { title: 'Writes and reads rows, and queues what is to be sent', run: writesAndReads },
  { title: 'Gives every value back as it was', run: valuesComeBack },
  { title: 'Does a transaction whole or not at all', run: allOrNothing },
  { title: 'Lets a live query follow the data', run: liveFollows },
  { title: 'Finds words in texts', run: findsWords },
];
