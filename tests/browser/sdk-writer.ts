// Somebody who writes until the page, the worker or the browser is gone, and tells a witness of every write that was acknowledged.

/** What a witness is told about one write. */
export interface Acknowledged {
  readonly id: string;
  readonly rows: readonly string[];
}

export interface Writing {
  /** Where the witness listens. */
  readonly witness: string;
  /** What the ids of all rows begin with. */
  readonly prefix: string;
  readonly lanes: number;
}

/** Every so many writes, one has a row that fills many pages of the file. */
const LARGE_EVERY = 11;
const LARGE_CHARACTERS = 30_000;
const ROWS_OF_SEVERAL = 3;

/**
 * Writes in several lanes at once, so that commits are under way together; each lane awaits its writes. A row's id is
 * `prefix.lane.n.part/parts`: it says how many rows its write has, and that writes before it in its lane were acknowledged.
 */
export function writeWithoutEnd({ witness, prefix, lanes }: Writing): void {
  const tell = teller(witness);
  const lane = async (name: number): Promise<void> => {
    for (let n = 0; ; n++) {
      tell(await writeOnce(`${prefix}.${name}.${n}`, n + name));
    }
  };
  for (let name = 0; name < lanes; name++) void lane(name);
}

/** Tells the witness at once, and what comes while it is being told with the next message: a flood of them would hold up the browser. */
function teller(witness: string): (write: Acknowledged) => void {
  const untold: Acknowledged[] = [];
  let telling = false;
  return async (write) => {
    untold.push(write);
    if (telling) return;
    telling = true;
    // When the page is left, its requests are cut off: those writes were acknowledged to nobody.
    while (untold.length > 0) await fetch(witness, { method: 'POST', body: JSON.stringify(untold.splice(0)) }).catch(() => {});
    telling = false;
  };
}

/** One transaction, of the kind that is `turn`'s: a single row, several by one call, or several by an interactive transaction. */
async function writeOnce(prefix: string, turn: number): Promise<Acknowledged> {
  const rows = idsOf(prefix, turn % 3 === 0 ? 1 : ROWS_OF_SEVERAL);
  const name = 'x'.repeat(turn % LARGE_EVERY === 0 ? LARGE_CHARACTERS : 20);
  const values = rows.map((id, position) => ({ id, name, owner_id: 'ann', position }));
  const { id } =
    turn % 3 === 2
      ? await db.transaction(async (tx) => {
          for (const row of values) await tx.tables.lists.insert(row);
        })
      : await db.tables.lists.insertMany(values);
  if (id === null) throw new Error('a write without an id');
  return { id, rows };
}

function idsOf(prefix: string, parts: number): string[] {
  return Array.from({ length: parts }, (_, part) => `${prefix}.${part}/${parts}`);
}

/** What a database holds of what was written. */
export interface Held {
  readonly rows: readonly string[];
  /** The id of each write that waits, with the rows that it inserted. */
  readonly queued: readonly Acknowledged[];
  readonly integrity: readonly unknown[];
}

/** Reads all of it back. */
export async function held(): Promise<Held> {
  const rows = await db.all(sdk.sql<{ id: string }>`SELECT id FROM lists`);
  const queued = (await db.writes.pending()).map(({ id, changes }) => ({ id, rows: changes.map(({ key }) => String(key.id)) }));
  const integrity = await db.all(sdk.sql`SELECT * FROM pragma_integrity_check`);
  return { rows: rows.map(({ id }) => id), queued, integrity: integrity.flatMap((row) => Object.values(row)) };
}
