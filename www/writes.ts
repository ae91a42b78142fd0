// The writes that the server has not taken, with names for the rows that they touch.

import { sql } from 'seaworthy';
import type { AppDatabase } from './schema.js';
import type { Writes } from './view/sync-panel.js';
import { namedBy } from './wording.js';

interface NameRow {
  readonly id: string;
  readonly name: string;
}

/** `onCards` are the todos that wait for a choice: these writes, and what builds on them, have cards of their own. */
export async function writesOf(db: AppDatabase, onCards: ReadonlySet<string>): Promise<Writes> {
  const [pending, kept] = await Promise.all([db.writes.pending(), db.writes.rejected()]);
  const asked = new Set<string>();
  const rejected = kept.filter((write) => {
    const isAsked = write.conflicts.some(({ key }) => onCards.has(String(key.id))) || write.buildsOn.some((id) => asked.has(id));
    if (isAsked) asked.add(write.id);
    return !isAsked;
  });
  const ids = new Set([...pending, ...rejected].flatMap((write) => write.changes.map(namedBy)));
  const rows = await db.all(sql<NameRow>`
    SELECT id, title AS name FROM todos WHERE id ${sql.in([...ids])}
    UNION ALL
    SELECT id, name FROM lists WHERE id ${sql.in([...ids])}`);
  const gone = rejected.flatMap((write) => write.conflicts.map(({ key, base, local }): [string, string] => [String(key.id), String((local ?? base)?.title)]));
  return { pending, rejected, names: new Map([...gone, ...rows.map((row): [string, string] => [row.id, row.name])]) };
}
