import { BadValue } from './errors.js';

/**
 * SQLite's five values as JavaScript has them.
 * @example
 * const value: SqlValue | undefined = (await db.get(sql`SELECT 1 AS one`))?.one;
 */
export type SqlValue = null | number | bigint | string | Uint8Array;

/**
 * What `${}` in a `sql` tag and a column of any type accepts: a boolean becomes 0 or 1, a `Date` its milliseconds.
 * @example
 * const since: Bindable = new Date(2026, 0, 1);
 * await db.all(sql`SELECT * FROM todos WHERE created_at > ${since}`);
 */
export type Bindable = SqlValue | boolean | Date | ArrayBuffer | ArrayBufferView;

const MIN_INTEGER = -(2n ** 63n);
const MAX_INTEGER = 2n ** 63n - 1n;

/** Turns a value of the application into one of SQLite, or throws `BadValue` naming the place. */
export function toSqlValue(value: unknown, place: () => string): SqlValue {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      if (Number.isNaN(value)) throw refused('NaN, which SQLite cannot hold', 'Use null for a missing number.', place);
      return value;
    case 'boolean':
      return value ? 1 : 0;
    case 'bigint':
      if (value < MIN_INTEGER || value > MAX_INTEGER) throw refused(`${value}, beyond 64 bits`, 'Store it as text.', place);
      return value;
    case 'undefined':
      throw refused('undefined', 'Use null for a missing value.', place);
    case 'object':
      return value === null ? null : objectToSqlValue(value, place);
    default:
      throw refused(`a ${typeof value}`, 'Bind a number, a text, a boolean, a Date, bytes or null.', place);
  }
}

function objectToSqlValue(value: object, place: () => string): SqlValue {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof Date) {
    const time = value.getTime();
    if (Number.isNaN(time)) throw refused('an invalid Date', 'Use null for a missing time.', place);
    return time;
  }
  if (Array.isArray(value)) throw refused('an array', 'Use sql.in(array) for a list of values, or JSON.stringify for a json() column.', place);
  throw refused('an object', 'Bind its parts one by one, or JSON.stringify it for a json() column.', place);
}

function refused(what: string, fix: string, place: () => string): BadValue {
  return new BadValue(`${place()} is ${what}. ${fix}`);
}
