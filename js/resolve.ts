import { decodeCells, encodeCells } from './cells.js';
import type { Connection } from './connection.js';
import { BadValue, Closed, SeaworthyError } from './errors.js';
import type { Conflict, Value } from './generated/protocol.js';
import type { Decision, OpenConflict, RejectedMessage } from './messages.js';
import type { Schema } from './schema.js';
import { tag, untag } from './tag.js';
import { requestId } from './uuid.js';

/**
 * A row that was written here and, meanwhile, by somebody else.
 * @example
 * const keepMine = ({ local, remote }: RowConflict<Todo>) => local && { ...remote, ...local };
 */
export interface RowConflict<Row> {
  /** As it was when it was written here; `null` for a new row. */
  readonly base: Row | null;
  /** As it was written here; `null` when it was deleted here. */
  readonly local: Row | null;
  /** As this device has it now, with what others wrote; `null` when it is gone. */
  readonly remote: Row | null;
}

/**
 * Decides what a row is to be: a row (columns that it leaves out stay as they are in `remote`), `null` for no row, `undefined`
 * to leave the write among the rejected ones. It may be asynchronous.
 * @example
 * const longest: Resolver<Todo> = ({ local, remote }) => (local && remote && local.title.length > remote.title.length ? local : remote);
 */
export type Resolver<Row> = (conflict: RowConflict<Row>) => MaybePromise<Partial<Row> | null | undefined>;

type MaybePromise<T> = T | Promise<T>;
type AnyRow = Readonly<Record<string, unknown>>;

/** Asks the application's resolvers about conflicts that wait, each once at a time. */
export class Resolvers {
  readonly #connection: Pick<Connection, 'call'>;
  readonly #schema: Schema;
  readonly #report: (error: SeaworthyError) => void;
  readonly #resolvers = new Map<string, Resolver<AnyRow>>();
  /** Refused writes that a resolver decides or will: nobody is alarmed about them. */
  readonly #taken = new Set<string>();
  /** Writes that a resolver was asked about in this page. */
  readonly #asked = new Set<string>();

  constructor(connection: Pick<Connection, 'call'>, schema: Schema, report: (error: SeaworthyError) => void) {
    this.#connection = connection;
    this.#schema = schema;
    this.#report = report;
  }

  /** Makes a resolver decide a table, until the function that is returned is called. */
  set<Row extends object>(table: string, resolver: Resolver<Row>): () => void {
    const columns = Object.hasOwn(this.#schema, table) ? this.#schema[table] : undefined;
    if (columns?.options.onConflict !== 'manual') {
      throw new BadValue(`db.resolve: declare table ${table} with { onConflict: 'manual' }, so that its rows are kept for the resolver.`);
    }
    const given = resolver as unknown as Resolver<AnyRow>;
    this.#resolvers.set(table, given);
    this.check();
    return () => {
      if (this.#resolvers.get(table) === given) this.#resolvers.delete(table);
    };
  }

  /** Whether a refused write is decided by a resolver, or goes with one that is. */
  takes({ id, code, policy, conflicts = [], conflicts_left_out: leftOut = 0, builds_on: buildsOn = [] }: RejectedMessage): boolean {
    const takes = code === 'depends_on' ? buildsOn.some((other) => this.#taken.has(other)) : policy === 'manual' && leftOut === 0 && this.#mayDecide(conflicts);
    if (takes) this.#taken.add(id);
    return takes;
  }

  /** Another user's database is open: what was asked about the former one's is asked again when that user is back. */
  left(): void {
    this.#taken.clear();
    this.#asked.clear();
    this.check();
  }

  /** Asks about what waits. */
  check(): void {
    if (this.#resolvers.size > 0) this.#askAll().catch((error) => this.#failed(error));
  }

  async #askAll(): Promise<void> {
    for (const conflict of await this.#connection.call({ op: 'conflicts' })) {
      if (this.#asked.has(conflict.id) || !this.#mayDecide(conflict.rows)) continue;
      this.#asked.add(conflict.id);
      this.#decide(conflict)
        .catch((error) => this.#failed(error))
        .finally(() => this.#taken.delete(conflict.id));
    }
  }

  /** Every row needs a resolver, unless its table lets the last write win. */
  #mayDecide(rows: readonly Conflict[]): boolean {
    const yields = (table: string): boolean => (this.#schema[table]?.options.onConflict ?? 'rebase') === 'rebase';
    return rows.some(({ table }) => this.#resolvers.has(table)) && rows.every(({ table }) => this.#resolvers.has(table) || yields(table));
  }

  async #decide(conflict: OpenConflict): Promise<void> {
    let asked: OpenConflict | undefined = conflict;
    while (asked) {
      const decisions = await this.#ask(asked);
      if (!decisions) return;
      try {
        await this.#connection.call({ op: 'resolve', request: requestId(), write: asked.id, decisions });
        return;
      } catch (error) {
        const code = error instanceof SeaworthyError ? error.code : null;
        // Decided in another tab, or of a user who is not here any more.
        if (code === 'UnknownWrite') return;
        if (code !== 'ConflictMoved') throw error;
      }
      const open: readonly OpenConflict[] = await this.#connection.call({ op: 'conflicts' });
      asked = open.find(({ id }) => id === conflict.id);
      // A write that builds on it is on its way: its end brings the conflict back.
      if (!asked) this.#asked.delete(conflict.id);
    }
  }

  /** What the resolvers say; `undefined` when one of them leaves the write alone. */
  async #ask(conflict: OpenConflict): Promise<readonly Decision[] | undefined> {
    const decisions: Decision[] = [];
    for (const row of conflict.rows) {
      const resolver = this.#resolvers.get(row.table);
      if (!resolver) continue;
      const whole = (image: Conflict['base']): AnyRow | null => image && decodeCells({ ...row.key, ...image }, row.table, this.#schema);
      const decided = await resolver({ base: whole(row.base), local: whole(row.local), remote: whole(row.remote) });
      if (decided === undefined) return undefined;
      const { table, key, remote } = row;
      decisions.push({ table, key, over: { remote }, row: decided && this.#cells(row, decided) });
    }
    return decisions;
  }

  #cells({ table, key }: Conflict, decided: AnyRow): Decision['row'] {
    const cells = Object.entries(encodeCells(decided, table, this.#schema));
    const moved = cells.find(([column, value]) => column in key && plain(key[column]) !== plain(value));
    if (moved) throw new BadValue(`The resolver of ${table} changed ${moved[0]}, which is part of the primary key. Return the row under its own key.`);
    return Object.fromEntries(cells.filter(([column]) => !Object.hasOwn(key, column)));
  }

  #failed(error: unknown): void {
    if (error instanceof Closed) return;
    const known = error instanceof SeaworthyError ? error : undefined;
    const message = `A resolver failed, and its write stays in db.writes.rejected(): ${error instanceof Error ? error.message : String(error)}`;
    this.#report(known ?? new SeaworthyError('ResolverFailed', message, { cause: error }));
  }
}

/** A value in one spelling: an integer and a real without a fraction are the same here. */
function plain(value: Value | undefined): string {
  return JSON.stringify(tag(untag(value ?? null)));
}
