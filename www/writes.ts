// The writes that the server has not taken, with names for the rows that they touch.

import { sql } from 'seaworthy';
import type { AppDatabase } from './schema.js';
import type { Writes } from './view/sync-panel.js';

interface NameRow {
  readonly id: string;
  readonly name: string;
}

export async function writesOf(db: AppDatabase): Promise<Writes> {
  const [pending, rejected] = await Promise.all([db.writes.pending(), db.writes.rejected()]);
  const ids = new Set([...pending, ...rejected].flatMap((write) => write.changes.map((change) => String(change.key.id))));
  const rows = await db.all(sql<NameRow>`
    SELECT id, title AS name FROM todos WHERE id ${sql.in([...ids])}
    UNION ALL
    SELECT id, name FROM lists WHERE id ${sql.in([...ids])}`);
  return { pending, rejected, names: new Map(rows.map((row) => [row.id, row.name])) };
}
