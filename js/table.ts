import type { Column } from './column.js';
import type { Policy as WirePolicy } from './generated/protocol.js';

/** The columns of a table, by name. */
export type Columns = Readonly<Record<string, Column>>;

/** An index: columns, or columns and whether their values are unique together. */
export type Index<Name extends string> = readonly Name[] | { readonly columns: readonly Name[]; readonly unique?: boolean };

/**
 * What becomes of a write when somebody else has changed its rows meanwhile; later ones are stricter.
 * @example
 * const careful: Policy = 'manual';
 * const notes = table({ id: id(), body: text() }, { onConflict: careful });
 */
export type Policy = WirePolicy;

/**
 * What a table is besides its columns.
 * @example
 * const options: TableOptions<'body'> = { localOnly: true, indexes: [['body']] };
 */
export interface TableOptions<Name extends string = string> {
  /** The primary key, where `id()` and `.primaryKey()` do not say it. */
  readonly primaryKey?: readonly Name[];
  /** Indexes. */
  readonly indexes?: readonly Index<Name>[];
  /** Rows stay on this device. */
  readonly localOnly?: boolean;
  /** `application`: the application chooses integer keys so that no two devices choose the same. */
  readonly keys?: 'application';
  /**
   * What writes of this table ask for when somebody else has changed the row meanwhile; the server's own policy holds where
   * it is stricter. `rebase` (unless told): the changed columns are set on top. `server`: the other write stands, and this one
   * is discarded without an event. `manual`: this one is refused, and `db.resolve` makes another of it. `fail`: it is refused.
   */
  readonly onConflict?: Policy;
}

/**
 * A declared table. Get one from `table(…)`.
 * @example
 * const lists: Table = table({ id: id(), name: text() });
 */
export class Table<C extends Columns = Columns> {
  /** Its columns. */
  readonly columns: C;
  /** The rest. */
  readonly options: TableOptions;

  constructor(columns: C, options: TableOptions) {
    this.columns = columns;
    this.options = options;
  }

  /** The names of the primary key's columns, in order. */
  get primaryKey(): readonly string[] {
    if (this.options.primaryKey) return this.options.primaryKey;
    return Object.entries(this.columns).flatMap(([name, column]) => (column.definition.primaryKey ? [name] : []));
  }
}

/**
 * Declares a table.
 * @example
 * const todos = table(
 *   { id: id(), title: text(), done: boolean().default(false), created_at: timestamp().defaultNow() },
 *   { indexes: [['created_at']] },
 * );
 */
export function table<C extends Columns>(columns: C, options: TableOptions<keyof C & string> = {}): Table<C> {
  return new Table(columns, options);
}

type Flat<T> = { [K in keyof T]: T[K] };
type ValueOf<C> = C extends { readonly value: infer Value } ? Value : never;
type Optional<C extends Columns> = { [K in keyof C]: C[K] extends { readonly needed: 'required' } ? never : K }[keyof C];

/**
 * A row as it is read.
 * @example
 * type Todo = RowOf<typeof app.todos>;
 */
export type RowOf<T extends Table> = Flat<{ readonly [K in keyof T['columns']]: ValueOf<T['columns'][K]> }>;

/**
 * A row as `insert` takes it: columns that are nullable or have a default may be left out.
 * @example
 * const draft: InsertOf<typeof app.todos> = { title: 'Milk' };
 */
export type InsertOf<T extends Table> = Flat<
  { readonly [K in Exclude<keyof T['columns'], Optional<T['columns']>>]: ValueOf<T['columns'][K]> } & {
    readonly [K in Optional<T['columns']>]?: ValueOf<T['columns'][K]>;
  }
>;

/**
 * The columns that `update` sets.
 * @example
 * const patch: UpdateOf<typeof app.todos> = { done: true };
 */
export type UpdateOf<T extends Table> = { readonly [K in keyof T['columns']]?: ValueOf<T['columns'][K]> };
