import { encodeColumn, fillColumn } from './column.js';
import { BadValue } from './errors.js';
import { quote } from './identifier.js';
import type { LiveQuery } from './live.js';
import {
  assignments,
  type CallOptions,
  columnList,
  EVERYTHING,
  equals,
  type Source,
  TableQuery,
  type Write,
  type WriteOptions,
  type Written,
} from './query.js';
import { development } from './rows.js';
import type { Sql } from './sql.js';
import type { InsertOf, RowOf, Table, UpdateOf } from './table.js';
import type { Bindable, SqlValue } from './value.js';

/**
 * A primary key: the value of its one column, or an object with all of its columns.
 * @example
 * const key: Key<typeof app.members> = { list_id, user_id };
 * await db.tables.members.delete(key);
 */
export type Key<T extends Table> = Exclude<Bindable, null> | UpdateOf<T>;

/**
 * The rows of one table. Get it from `db.tables`.
 * @example
 * const { todos } = db.tables;
 * const receipt = await todos.insert({ list_id, title: 'Milk' });
 * await todos.update(receipt.rows[0].id, { done: true });
 */
export class TableHandle<T extends Table, Mode extends 'database' | 'transaction' = 'database'> {
  readonly #source: Source<T, Mode>;

  constructor(source: Source<T, Mode>) {
    this.#source = source;
  }

  /** See `TableQuery.where`. @example todos.where({ done: false }).all(); */
  where(condition: UpdateOf<T> | Sql<object>): TableQuery<T, Mode> {
    return this.#query().where(condition);
  }

  /** See `TableQuery.orderBy`. @example todos.orderBy('created_at').all(); */
  orderBy(column: keyof T['columns'] & string, direction?: 'asc' | 'desc'): TableQuery<T, Mode> {
    return this.#query().orderBy(column, direction);
  }

  /** See `TableQuery.limit`. @example todos.limit(10).all(); */
  limit(count: number, offset?: number): TableQuery<T, Mode> {
    return this.#query().limit(count, offset);
  }

  /** All rows. @example const rows = await todos.all(); */
  all(options?: CallOptions): Promise<readonly RowOf<T>[]> {
    return this.#query().all(options);
  }

  /** How many rows there are. @example const n = await todos.count(); */
  count(options?: CallOptions): Promise<number> {
    return this.#query().count(options);
  }

  /** All rows, followed as they change. @example todos.live().subscribe(render); */
  live(): LiveQuery<RowOf<T>> {
    return this.#query().live();
  }

  /**
   * The row with this primary key, if there is one.
   * @example
   * const todo = await todos.get(id);
   * const member = await members.get({ list_id, user_id });
   */
  async get(key: Key<T>, options?: CallOptions): Promise<RowOf<T> | undefined> {
    return this.#query().where(this.#keyEquals(key)).get(options);
  }

  /**
   * Inserts a row. Defaults are filled in here, and `rows` of what is returned holds the whole row.
   * @example
   * const { rows: [todo] } = await todos.insert({ title: 'Milk' });
   */
  insert(row: InsertOf<T>, options?: WriteOptions): Promise<Written<Mode, RowOf<T>>> {
    return this.insertMany([row], options);
  }

  /**
   * Inserts rows in one transaction: the fastest way for many.
   * @example
   * await todos.insertMany(lines.map((title) => ({ title })));
   */
  insertMany(rows: readonly InsertOf<T>[], options?: WriteOptions): Promise<Written<Mode, RowOf<T>>> {
    const make = (): Write<RowOf<T>> => {
      const { values, filled } = this.#fill(rows);
      return { text: this.#insertSql(), values, sets: rows.length, rows: filled };
    };
    return this.#source.runner.write(make, options);
  }

  /**
   * Inserts a row, or sets the columns that `row` names when its primary key exists.
   * @example
   * await settings.upsert({ id: 'theme', value: 'dark' });
   */
  upsert(row: InsertOf<T>, options?: WriteOptions): Promise<Written<Mode, RowOf<T>>> {
    return this.#source.runner.write(() => this.#upsertion(row), options);
  }

  /**
   * Sets columns of the row with this primary key; `changes` is 0 when there is none.
   * @example
   * await todos.update(id, { done: true });
   */
  update(key: Key<T>, changes: UpdateOf<T>, options?: WriteOptions): Promise<Written<Mode, RowOf<T>>> {
    const make = (): Write<RowOf<T>> => {
      const set = assignments(this.#source, changes);
      const where = this.#keyEquals(key);
      const text = `UPDATE ${quote(this.#source.name)} SET ${set.text} WHERE ${where.text} RETURNING ${columnList(this.#source.table)}`;
      return { text, values: [...set.values, ...where.values], sets: 1 };
    };
    return this.#source.runner.write(make, options);
  }

  /**
   * Deletes the row with this primary key; `changes` is 0 when there is none.
   * @example
   * await todos.delete(id);
   */
  delete(key: Key<T>, options?: WriteOptions): Promise<Written<Mode, RowOf<T>>> {
    const make = (): Write<RowOf<T>> => {
      const where = this.#keyEquals(key);
      return { text: `DELETE FROM ${quote(this.#source.name)} WHERE ${where.text}`, values: where.values, sets: 1 };
    };
    return this.#source.runner.write(make, options);
  }

  #query(): TableQuery<T, Mode> {
    return new TableQuery(this.#source, EVERYTHING);
  }

  #keyEquals(key: Key<T>): Sql {
    const { name, table } = this.#source;
    const [only, ...more] = table.primaryKey;
    const composite = typeof key === 'object' && !(key instanceof Date) && !ArrayBuffer.isView(key) && !(key instanceof ArrayBuffer);
    if (!composite && only !== undefined && more.length === 0) return equals(this.#source, { [only]: key });
    const cells = Object.fromEntries(table.primaryKey.map((column) => [column, composite ? (key as Record<string, unknown>)[column] : undefined]));
    if (Object.values(cells).includes(undefined)) throw new BadValue(`The primary key of ${name} is { ${table.primaryKey.join(', ')} }.`);
    return equals(this.#source, cells);
  }

  #upsertion(row: InsertOf<T>): Write<RowOf<T>> {
    const { table } = this.#source;
    const { values } = this.#fill([row]);
    const given = Object.entries(row).flatMap(([column, value]) => (value === undefined || table.primaryKey.includes(column) ? [] : [column]));
    // Setting the key to itself makes RETURNING give the row that was there.
    const set = (given.length > 0 ? given : table.primaryKey).map((column) => `${quote(column)} = excluded.${quote(column)}`);
    const target = table.primaryKey.map(quote).join(', ');
    const text = `${this.#insertSql()} ON CONFLICT (${target}) DO UPDATE SET ${set.join(', ')} RETURNING ${columnList(table)}`;
    return { text, values, sets: 1 };
  }

  #insertSql(): string {
    const { name, table } = this.#source;
    const marks = Object.keys(table.columns).map(() => '?');
    return `INSERT INTO ${quote(name)} (${columnList(table)}) VALUES (${marks.join(', ')})`;
  }

  #fill(rows: readonly InsertOf<T>[]): { values: SqlValue[]; filled: readonly RowOf<T>[] } {
    const { name, table } = this.#source;
    const columns = Object.entries(table.columns).map(([column, { definition }]) => ({ column, definition, place: `${name}.${column}` }));
    const values: SqlValue[] = [];
    const filled = (rows as readonly Readonly<Record<string, unknown>>[]).map((row): RowOf<T> => {
      for (const column in row) if (!Object.hasOwn(table.columns, column)) throw new BadValue(`Table ${name} has no column ${column}.`);
      const whole: Record<string, unknown> = {};
      for (const { column, definition, place } of columns) {
        const given = row[column] === undefined ? fillColumn(definition) : row[column];
        if (given === undefined) throw new BadValue(`${place} is missing. Name it, or declare it .nullable() or with a .default().`);
        values.push(encodeColumn(definition, given, place));
        whole[column] = given;
      }
      return (development ? Object.freeze(whole) : whole) as RowOf<T>;
    });
    return { values, filled };
  }
}
