import { type ColumnDefinition, encodeColumn } from './column.js';
import { BadValue } from './errors.js';
import type { Policy } from './generated/protocol.js';
import { quote } from './identifier.js';
import type { LiveQuery } from './live.js';
import type { Receipt, Result } from './receipt.js';
import { Sql } from './sql.js';
import type { RowOf, Table, UpdateOf } from './table.js';
import type { SqlValue } from './value.js';

/** Where a query runs: a database, or a transaction. `Mode` says what a write gives. */
export interface Runner<Mode extends 'database' | 'transaction'> {
  all<Row extends object>(query: Sql<Row>, options?: CallOptions): Promise<readonly Row[]>;
  write<Row extends object>(make: () => Write<Row>, options?: WriteOptions): Promise<Written<Mode, Row>>;
  live<Row extends object>(query: Sql<Row>): LiveQuery<Row>;
}

/** A statement that writes; `rows` are those that the caller made, if RETURNING does not give them. */
export interface Write<Row extends object> {
  readonly text: string;
  readonly values: readonly SqlValue[];
  readonly sets: number;
  readonly rows?: readonly Row[];
}

/** What a write gives: a receipt in a database, a result in a transaction. */
export type Written<Mode, Row extends object> = Mode extends 'database' ? Receipt<Row> : Result<Row>;

/**
 * What every call takes.
 * @example
 * const options: CallOptions = { signal: AbortSignal.timeout(1000) };
 * const rows = await db.tables.todos.all(options);
 */
export interface CallOptions {
  /** Stops the waiting; what has begun goes on. */
  readonly signal?: AbortSignal;
}

/**
 * What a call that writes takes.
 * @example
 * await todos.update(id, { done: true }, { onConflict: 'fail' });
 */
export interface WriteOptions extends CallOptions {
  /** What the write asks for when somebody else has changed its rows meanwhile, if its tables ask for less. */
  readonly onConflict?: Policy;
}

/** A table with its name and its runner. */
export interface Source<T extends Table, Mode extends 'database' | 'transaction'> {
  readonly name: string;
  readonly table: T;
  readonly runner: Runner<Mode>;
}

interface Parts {
  readonly conditions: readonly Sql[];
  readonly order: readonly string[];
  readonly limit: number | null;
  readonly offset: number;
}

/** A query without conditions. */
export const EVERYTHING: Parts = { conditions: [], order: [], limit: null, offset: 0 };

/**
 * A query over one table. Its methods give a new query. Get one from `db.tables.todos.where(…)`.
 * @example
 * const open = db.tables.todos.where({ list_id, done: false }).orderBy('created_at', 'desc').limit(20);
 * const rows = await open.all();
 * await open.update({ done: true });
 */
export class TableQuery<T extends Table, Mode extends 'database' | 'transaction'> {
  readonly #source: Source<T, Mode>;
  readonly #parts: Parts;

  constructor(source: Source<T, Mode>, parts: Parts) {
    this.#source = source;
    this.#parts = parts;
  }

  /**
   * Rows whose columns equal these values (`null`: IS NULL), or that a fragment of SQL holds for. Several are joined by AND.
   * @example
   * todos.where({ done: false }).where(sql`title LIKE ${'M%'}`);
   */
  where(condition: UpdateOf<T> | Sql<object>): TableQuery<T, Mode> {
    const added = condition instanceof Sql ? new Sql(`(${condition.text})`, condition.values) : equals(this.#source, condition);
    return this.#with({ conditions: [...this.#parts.conditions, added] });
  }

  /**
   * Orders by a column; a second call orders within the first.
   * @example
   * todos.orderBy('position').orderBy('created_at', 'desc');
   */
  orderBy(column: keyof T['columns'] & string, direction: 'asc' | 'desc' = 'asc'): TableQuery<T, Mode> {
    columnOf(this.#source, column);
    return this.#with({ order: [...this.#parts.order, `${quote(column)}${direction === 'desc' ? ' DESC' : ''}`] });
  }

  /**
   * At most so many rows, after leaving out the first `offset`.
   * @example
   * todos.orderBy('created_at').limit(20, 40);
   */
  limit(count: number, offset = 0): TableQuery<T, Mode> {
    return this.#with({ limit: count, offset });
  }

  /**
   * The rows.
   * @example
   * const rows = await todos.where({ list_id }).all();
   */
  all(options?: CallOptions): Promise<readonly RowOf<T>[]> {
    return this.#source.runner.all(this.toSql(), options);
  }

  /**
   * The first row, if there is one.
   * @example
   * const latest = await todos.orderBy('created_at', 'desc').get();
   */
  async get(options?: CallOptions): Promise<RowOf<T> | undefined> {
    return (await this.limit(1, this.#parts.offset).all(options))[0];
  }

  /**
   * How many rows there are.
   * @example
   * const open = await todos.where({ done: false }).count();
   */
  async count(options?: CallOptions): Promise<number> {
    const { text, values } = this.toSql();
    const [row] = await this.#source.runner.all(new Sql<{ readonly n: number }>(`SELECT count(*) AS n FROM (${text})`, values), options);
    return row?.n ?? 0;
  }

  /**
   * The rows, followed as they change. Not inside a transaction.
   * @example
   * const stop = todos.where({ list_id }).live().subscribe((rows) => render(rows));
   */
  live(): LiveQuery<RowOf<T>> {
    return this.#source.runner.live(this.toSql());
  }

  /**
   * Sets columns of all rows of the query. `orderBy` and `limit` are refused here.
   * @example
   * await todos.where({ list_id }).update({ done: true });
   */
  update(changes: UpdateOf<T>, options?: WriteOptions): Promise<Written<Mode, RowOf<T>>> {
    const make = (): Write<RowOf<T>> => {
      const set = assignments(this.#source, changes);
      const where = this.#filter('update');
      const text = `UPDATE ${quote(this.#source.name)} SET ${set.text}${where.text}`;
      return { text, values: [...set.values, ...where.values], sets: 1 };
    };
    return this.#source.runner.write(make, options);
  }

  /**
   * Deletes all rows of the query. `orderBy` and `limit` are refused here.
   * @example
   * await todos.where({ done: true }).delete();
   */
  delete(options?: WriteOptions): Promise<Written<Mode, RowOf<T>>> {
    const make = (): Write<RowOf<T>> => {
      const where = this.#filter('delete');
      return { text: `DELETE FROM ${quote(this.#source.name)}${where.text}`, values: where.values, sets: 1 };
    };
    return this.#source.runner.write(make, options);
  }

  /**
   * The query as SQL.
   * @example
   * const rows = await db.all(todos.where({ list_id }).toSql());
   */
  toSql(): Sql<RowOf<T>> {
    const { order, limit, offset } = this.#parts;
    const where = whereClause(this.#parts.conditions);
    const ordered = order.length > 0 ? ` ORDER BY ${order.join(', ')}` : '';
    const limited = limit === null ? '' : ' LIMIT ? OFFSET ?';
    const text = `SELECT ${columnList(this.#source.table)} FROM ${quote(this.#source.name)}${where.text}${ordered}${limited}`;
    return new Sql(text, limit === null ? where.values : [...where.values, limit, offset]);
  }

  #filter(verb: string): Sql {
    if (this.#parts.order.length > 0 || this.#parts.limit !== null) throw new BadValue(`${verb} takes where(), not orderBy() or limit().`);
    return whereClause(this.#parts.conditions);
  }

  #with(change: Partial<Parts>): TableQuery<T, Mode> {
    return new TableQuery(this.#source, { ...this.#parts, ...change });
  }
}

/** The declared columns, quoted. `*` would give whatever the file has. */
export function columnList(table: Table): string {
  return Object.keys(table.columns).map(quote).join(', ');
}

/** `"a" = ?, "b" = ?` */
export function assignments(source: Pick<Source<Table, 'database'>, 'name' | 'table'>, changes: object): Sql {
  const cells = Object.entries(changes).filter(([, value]) => value !== undefined);
  if (cells.length === 0) throw new BadValue(`update of ${source.name} names no column to set.`);
  const values = cells.map(([column, value]) => encodeColumn(columnOf(source, column), value, `${source.name}.${column}`));
  return new Sql(cells.map(([column]) => `${quote(column)} = ?`).join(', '), values);
}

/** The conditions that columns equal values. A missing value would silently match too much, so it throws. */
export function equals(source: Pick<Source<Table, 'database'>, 'name' | 'table'>, cells: object): Sql {
  const terms = Object.entries(cells).map(([column, value]) => {
    const place = `${source.name}.${column}`;
    if (value === null) return { text: `${quote(column)} IS NULL`, values: [] };
    if (value === undefined) throw new BadValue(`where: ${place} is undefined. Leave the column out, or use null for IS NULL.`);
    return { text: `${quote(column)} = ?`, values: [encodeColumn(columnOf(source, column), value, place)] };
  });
  return new Sql(
    terms.map(({ text }) => text).join(' AND ') || 'TRUE',
    terms.flatMap(({ values }) => values),
  );
}

function whereClause(conditions: readonly Sql[]): Sql {
  if (conditions.length === 0) return new Sql('', []);
  return new Sql(
    ` WHERE ${conditions.map(({ text }) => text).join(' AND ')}`,
    conditions.flatMap(({ values }) => values),
  );
}

function columnOf({ name, table }: Pick<Source<Table, 'database'>, 'name' | 'table'>, column: string): ColumnDefinition {
  const found = Object.hasOwn(table.columns, column) ? table.columns[column] : undefined;
  if (!found) throw new BadValue(`Table ${name} has no column ${column}. It has ${Object.keys(table.columns).join(', ')}.`);
  return found.definition;
}
