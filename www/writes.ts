// The writes that the server has not taken, with names for the rows that they touch.

import { sql } from 'seaworthy';
import type { AppDatabase } from './schema.js';
import type { Writes } from './view/sync-panel.js';

interface NameRow {
  readonly id: string;
  readonly name: string;
}

export async function writesOf(db: AppDatabase): Promise<Writes> {
  const [pending, kept] = await Promise.all([db.writes.pending(), db.writes.rejected()]);
  // What waits for a choice, and what builds on it, has a card of its own.
  const asked = new Set<string>();
  const rejected = kept.filter((write) => {
    const isAsked = write.policy === 'manual' || write.buildsOn.some((id) => asked.has(id));
    if (isAsked) asked.add(write.id);
    return !isAsked;
  });
  const ids = new Set([...pending, ...rejected].flatMap((write) => write.changes.map((change) => String(change.key.id))));
  const rows = await db.all(sql<NameRow>`
    SELECT id, title AS name FROM todos WHERE id ${sql.in([...ids])}
    UNION ALL
    SELECT id, name FROM lists WHERE id ${sql.in([...ids])}`);
  return { pending, rejected, names: new Map(rows.map((row) => [row.id, row.name])) };
}
