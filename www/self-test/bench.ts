// The database that is tried: throw-away, one for each place where a browser can keep one. It queues what it would send, and
// sends nothing.

import { blob, boolean, type Database, id, integer, json, open, real, type StorageTier, schema, sql, table, text, timestamp } from 'seaworthy';

export const app = schema(
  {
    notes: table({ id: id(), body: text(), n: integer().default(0) }),
    things: table(
      {
        id: id(),
        serial: integer({ mode: 'bigint' }).nullable(),
        ratio: real().nullable(),
        flag: boolean().nullable(),
        label: text().nullable(),
        bytes: blob().nullable(),
        at: timestamp().nullable(),
        tags: json<readonly string[]>().nullable(),
      },
      { localOnly: true },
    ),
  },
  {
    sql: [
      'CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(body)',
      'CREATE TRIGGER IF NOT EXISTS notes_words AFTER INSERT ON notes BEGIN INSERT INTO words (body) VALUES (new.body); END',
    ],
  },
);

export type Bench = Database<typeof app>;

/** Opens the database of a tier. */
export function openBench(storage: StorageTier | readonly StorageTier[], name: string): Bench {
  return open({ name, schema: app, storage, sync: { url: 'sync/v1', token: () => null }, online: false });
}

/** Throws what a person can read, unless both are equal. */
export function expect(what: string, seen: unknown, wanted: unknown): void {
  if (!Object.is(seen, wanted)) throw new Error(`${what}: expected ${String(wanted)}, and saw ${String(seen)}.`);
}

/** Waits until something holds. */
export async function until(what: string, holds: () => unknown, patienceMs = 15_000): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`Waited ${patienceMs / 1000} s for ${what}.`);
    await pause(20);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Throws unless the database is whole and holds these notes, each queued once. */
export async function expectWhole(db: Bench, ids: readonly string[]): Promise<void> {
  const check = await db.get(sql<{ integrity_check: string }>`SELECT * FROM pragma_integrity_check`);
  expect('The integrity check of SQLite', check?.integrity_check, 'ok');
  const there = new Set((await db.all(sql<{ id: string }>`SELECT id FROM notes`)).map(({ id }) => id));
  expect('Acknowledged writes that are gone', ids.filter((id) => !there.has(id)).length, 0);
  const wanted = new Set(ids);
  const queued = (await db.writes.pending()).flatMap(({ changes }) => changes.map(({ key }) => String(key.id))).filter((id) => wanted.has(id));
  expect('Acknowledged writes that are queued', new Set(queued).size, ids.length);
  expect('Those that are queued twice', queued.length - ids.length, 0);
}

/** Writes one note after another in several lanes, until it is told that it is enough; `acknowledged` grows meanwhile. */
export class Writer {
  readonly acknowledged: string[] = [];
  private enough = false;
  private readonly lanes: Promise<void>[];

  constructor(
    private readonly db: Bench,
    private readonly prefix: string,
    lanes = 3,
  ) {
    this.lanes = Array.from({ length: lanes }, (_, lane) => this.write(lane));
  }

  async stop(): Promise<void> {
    this.enough = true;
    await Promise.all(this.lanes);
  }

  private async write(lane: number): Promise<void> {
    for (let n = 0; !this.enough; n++) {
      const id = `${this.prefix} ${lane} ${n}`;
      await this.db.tables.notes.insert({ id, body: `note ${n}`, n });
      this.acknowledged.push(id);
    }
  }
}
