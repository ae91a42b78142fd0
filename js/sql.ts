import { BadValue } from './errors.js';
import { quote } from './identifier.js';
import type { RowOf, Table } from './table.js';
import { type Bindable, type SqlValue, toSqlValue } from './value.js';

/**
 * A row of a query whose type nobody declared.
 * @example
 * const rows: readonly AnyRow[] = await db.all(sql`SELECT * FROM todos`);
 */
export type AnyRow = Readonly<Record<string, SqlValue>>;

/**
 * SQL with its bound values: what the `sql` tag makes. `Row` is what the caller says about the result.
 * @example
 * const open: Sql = sql`done = ${false}`;
 * await db.all(sql`SELECT * FROM todos WHERE ${open}`);
 */
export class Sql<Row extends object = AnyRow> {
  /** The type of a row; never set. */
  declare readonly row: Row;
  /** SQL with `?` for each value. */
  readonly text: string;
  /** The values, in order. */
  readonly values: readonly SqlValue[];

  constructor(text: string, values: readonly SqlValue[]) {
    this.text = text;
    this.values = values;
  }
}

type Part = Bindable | Sql<object>;
type Tag<Row extends object> = (strings: TemplateStringsArray, ...parts: readonly Part[]) => Sql<Row>;

/**
 * The `sql` tag and its companions.
 * @example
 * const counting = (tag: SqlTag) => tag<{ n: number }>`SELECT count(*) AS n FROM todos`;
 */
export interface SqlTag {
  /** Every `${}` is a bound value, or another fragment. The row's type is an unchecked cast. */
  <Row extends object = AnyRow>(strings: TemplateStringsArray, ...parts: readonly Part[]): Sql<Row>;
  /**
   * The tag for queries whose rows are those of a table. Booleans, dates and JSON are decoded either way.
   * @example
   * await db.all(sql.as(app.todos)`SELECT * FROM todos WHERE done = ${false}`);
   */
  as<T extends Table>(table: T): Tag<RowOf<T>>;
  /**
   * A quoted name: of a table, or of a table and a column.
   * @example
   * sql`SELECT ${sql.id('todos', 'order')} FROM ${sql.id('todos')}`;
   */
  id(...path: readonly string[]): Sql;
  /**
   * `IN (…)` over a list, bound as one parameter. An empty list is false.
   * @example
   * sql`SELECT * FROM todos WHERE id ${sql.in(ids)}`;
   */
  in(values: readonly (string | number | bigint | boolean | Date | null)[]): Sql;
  /**
   * Fragments one after another, with a separator between them (a comma unless told).
   * @example
   * sql`UPDATE todos SET ${sql.join([sql`done = ${true}`, sql`note = ${null}`])}`;
   */
  join(parts: readonly Part[], separator?: string): Sql;
  /**
   * Text that is taken as SQL as it stands. Never pass what a user typed.
   * @example
   * sql`SELECT * FROM todos ORDER BY title ${sql.raw(descending ? 'DESC' : 'ASC')}`;
   */
  raw(text: string): Sql;
}

/**
 * Writes SQL. Every `${}` is a bound value or another fragment; `undefined`, an array or a plain object throws
 * `BadValue` and names the place. A lone surrogate in a text is stored as U+FFFD, as everywhere on the web.
 * @example
 * const rows = await db.all(sql<{ n: number }>`SELECT count(*) AS n FROM todos WHERE done = ${false}`);
 */
export const sql: SqlTag = Object.assign(tag, {
  as: () => tag,
  id: (...path: readonly string[]) => new Sql(path.map(quote).join('.'), []),
  in: (values: readonly unknown[]) => new Sql('IN (SELECT value FROM json_each(?))', [jsonList(values)]),
  join: (parts: readonly Part[], separator = ', ') => compose(['', ...parts.slice(1).map(() => separator), ''], parts),
  raw: (text: string) => new Sql(text, []),
}) as SqlTag;

function tag(strings: TemplateStringsArray, ...parts: readonly unknown[]): Sql {
  if (!Array.isArray(strings) || !Object.hasOwn(strings, 'raw')) {
    throw new BadValue('sql is a tag: write sql`SELECT …`, not sql(…). Use sql.raw(text) for text that is SQL already.');
  }
  return compose(strings, parts);
}

function compose(strings: readonly string[], parts: readonly unknown[]): Sql {
  let text = strings[0] ?? '';
  const values: SqlValue[] = [];
  parts.forEach((part, i) => {
    if (part instanceof Sql) {
      text += part.text;
      for (const value of part.values) values.push(value);
    } else {
      values.push(toSqlValue(part, () => place(strings, i)));
      text += '?';
    }
    text += strings[i + 1] ?? '';
  });
  return new Sql(text, values);
}

/** Names the `nth` value by the SQL around it, in one line. */
function place(strings: readonly string[], nth: number): string {
  const around = `…${strings[nth]?.slice(-30)}\${…}${strings[nth + 1]?.slice(0, 20)}…`.replace(/\s+/g, ' ');
  return `In sql\`${around}\` value ${nth + 1}`;
}

function jsonList(values: readonly unknown[]): string {
  if (!Array.isArray(values)) throw new BadValue('sql.in takes an array.');
  return `[${values
    .map((value, i) =>
      jsonItem(
        toSqlValue(value, () => `sql.in: item ${i}`),
        i,
      ),
    )
    .join()}]`;
}

function jsonItem(value: SqlValue, i: number): string {
  if (value instanceof Uint8Array) throw new BadValue(`sql.in: item ${i} is bytes, which JSON cannot hold. Compare blobs one by one.`);
  if (typeof value === 'number' && !Number.isFinite(value)) throw new BadValue(`sql.in: item ${i} is not finite.`);
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
}
