// Checks of what becomes of a database when workers and pages come and go.

import { sql } from 'seaworthy';
import { type Bench, expect, expectWhole, openBench, pause, until, Writer } from './bench.js';
import type { Check, Place } from './check.js';
import { Frame } from './frame.js';

const ENDS = 3;
const CALLS = 20;
const ROWS = 1000;
const MAGIC = 'SQLite format 3\0';

/** Ends the worker at once, as it is ended when the page is left, and starts one as when it comes back. */
function leaveAndComeBack(): void {
  dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }));
  dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
}

async function reopen(place: Place): Promise<void> {
  await place.db.close({ now: true });
  place.db = openBench(place.tier, place.name);
  await place.db.ready;
}

async function survivesTheWorker(place: Place): Promise<string> {
  const writer = new Writer(place.db, 'survives');
  for (let end = 1; end <= ENDS; end++) {
    const { length } = writer.acknowledged;
    await until('writes to be acknowledged', () => writer.acknowledged.length > length + 5);
    leaveAndComeBack();
  }
  await writer.stop();
  await reopen(place);
  await expectWhole(place.db, writer.acknowledged);
  return `${writer.acknowledged.length} writes, ${ENDS} workers ended among them, none lost`;
}

async function twoPages(place: Place): Promise<string> {
  await place.db.close({ now: true });
  // A link over BroadcastChannel is asked for on the database's channel, one over a SharedWorker is not.
  const channel = new BroadcastChannel(`seaworthy:${place.name}`);
  let asked = 0;
  channel.onmessage = ({ data }: MessageEvent<{ type?: string }>) => {
    if (data.type === 'connect') asked++;
  };
  const first = await Frame.load(place.name, place.tier);
  const second = await Frame.load(place.name, place.tier);
  try {
    return `${await handOver(first, second)}, over ${asked > 0 ? 'BroadcastChannel' : 'a SharedWorker'}`;
  } finally {
    channel.close();
    second.remove();
    first.remove();
    await pause(100);
    place.db = openBench(place.tier, place.name);
    await place.db.ready;
  }
}

/** The first page owns the database and is closed while both write: the second goes on. */
async function handOver(first: Frame, second: Frame): Promise<string> {
  const owner = ({ db }: Frame) => db.status.getSnapshot().owner;
  expect('The owner, in the first page', owner(first), 'this-tab');
  expect('The owner, in the second page', owner(second), 'other-tab');
  let seen = 0;
  second.db.live(sql`SELECT id FROM notes WHERE body = 'for the other page'`).subscribe((rows) => (seen = rows.length));
  await first.db.tables.notes.insert({ id: 'for the other page', body: 'for the other page' });
  await until('the second page to see what the first one wrote', () => seen === 1);
  const callMs = await timed(CALLS, () => second.db.get(sql`SELECT 1`));
  const writers = [new Writer(first.db, 'first'), new Writer(second.db, 'second')] as const;
  await until('both pages to write', () => writers.every(({ acknowledged }) => acknowledged.length > 5));
  first.remove();
  const { length } = writers[1].acknowledged;
  const begun = performance.now();
  await until('the second page to be answered', () => writers[1].acknowledged.length > length + 3);
  const handOverMs = performance.now() - begun;
  expect('The owner, in the second page', owner(second), 'this-tab');
  await writers[1].stop();
  const acknowledged = writers.flatMap((writer) => writer.acknowledged);
  await expectWhole(second.db, acknowledged);
  return `a call of the second page takes ${inMs(callMs)}, and the hand-over took ${inMs(handOverMs)}`;
}

async function exportsAndImports({ db }: Place): Promise<string> {
  await db.tables.notes.insert({ id: 'exported', body: 'exported' });
  let told = 0;
  const file = await db.export({ onProgress: ({ done }) => (told = done) });
  expect('How the file begins', await file.slice(0, MAGIC.length).text(), MAGIC);
  expect('The progress at the end', told, file.size);
  await db.tables.notes.delete('exported');
  await db.import(file, { discardPending: true });
  expect('The row that came back', (await db.tables.notes.get('exported'))?.body, 'exported');
  return inBytes(file.size);
}

async function times(place: Place): Promise<string> {
  const { notes, things } = place.db.tables;
  const writeMs = await timed(CALLS, (n) => notes.insert({ id: `timed ${n}`, body: 'x' }));
  const rows = Array.from({ length: ROWS }, (_, n) => ({ label: `row ${n}`, ratio: n }));
  const rowsMs = await timed(1, () => things.insertMany(rows));
  const readMs = await timed(1, () => things.limit(ROWS).all());
  if (place.tier === 'memory') return `a write ${inMs(writeMs)}, ${ROWS} rows ${inMs(rowsMs)}, reading them ${inMs(readMs)}`;
  const openMs = await timed(1, () => reopen(place));
  return `opening ${inMs(openMs)}, a write ${inMs(writeMs)}, ${ROWS} rows ${inMs(rowsMs)}, reading them ${inMs(readMs)}`;
}

async function isDeleted(place: Place): Promise<undefined> {
  await place.db.delete({ discardPending: true });
  place.db = openBench(place.tier, place.name);
  await place.db.ready;
  expect('The rows of a database that was deleted', await place.db.tables.notes.count(), 0);
  expect('Whether it is missed', place.db.storage.getSnapshot().lost, false);
  await place.db.delete({ discardPending: true });
  return undefined;
}

/** How long one of so many calls takes, one after another. */
async function timed(count: number, call: (n: number) => PromiseLike<unknown>): Promise<number> {
  const begun = performance.now();
  for (let n = 0; n < count; n++) await call(n);
  return (performance.now() - begun) / count;
}

function inMs(ms: number): string {
  return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
}

export function inBytes(bytes: number): string {
  const units = ['bytes', 'KB', 'MB', 'GB'];
  const power = Math.min(units.length - 1, bytes > 0 ? Math.floor(Math.log10(bytes) / 3) : 0);
  return `${(bytes / 1000 ** power).toFixed(power > 0 ? 1 : 0)} ${units[power]}`;
}

/** Where a database is, and how safely. */
export async function whereItIs(db: Bench): Promise<string> {
  const { tier, persisted, quota, usage } = await db.storage.refresh();
  const safety = persisted === null ? 'the browser does not say whether it keeps it' : persisted ? 'kept until you delete it' : 'the browser may delete it';
  const room = quota === null || usage === null ? 'no figures of the room' : `${inBytes(usage)} of ${inBytes(quota)} used`;
  return `${tier}; ${safety}; ${room}`;
}

export const lifeChecks: readonly Check[] = [
  { title: 'Keeps what was acknowledged when its worker is ended in the middle of writes', kept: true, run: survivesTheWorker },
  { title: 'Is used by two pages, and by the second alone when the first is gone', kept: true, run: twoPages },
  { title: 'Leaves as a file of SQLite, and comes back from it', run: exportsAndImports },
  { title: 'How long it takes', run: times },
  { title: 'Is deleted, and leaves nothing', run: isDeleted },
];
