import { BadValue, SchemaMismatch } from './errors.js';
import { uuid } from './uuid.js';
import type { SqlValue } from './value.js';

/**
 * How a column's values look in JavaScript.
 * @example
 * const kind: ColumnKind = app.todos.columns.done.definition.kind; // 'boolean'
 */
export type ColumnKind = 'text' | 'integer' | 'bigint' | 'real' | 'boolean' | 'json' | 'blob' | 'timestamp';

/**
 * What happens to a row when the row that it refers to is deleted.
 * @example
 * const cascade: OnDelete = 'cascade';
 * const list_id = text().references('lists.id', { onDelete: cascade });
 */
export type OnDelete = 'cascade' | 'restrict' | 'set null' | 'no action';

/** What a column is, without its type parameters. */
export interface ColumnDefinition {
  readonly kind: ColumnKind;
  readonly nullable: boolean;
  readonly primaryKey: boolean;
  readonly unique: boolean;
  /** Makes the value of a row that does not name the column. */
  readonly fill?: () => unknown;
  /** What existing rows get when the column is added to a table. */
  readonly initial?: unknown;
  readonly references?: { readonly target: string; readonly onDelete: OnDelete };
}

/** Whether an insert must name the column. */
export type Presence = 'required' | 'optional';

/**
 * A column of a table. Its methods return a new column; the type parameters are the value and whether an insert must name it.
 * @example
 * const title: Column<string> = text();
 * const note: Column<string | null, 'optional'> = text().nullable();
 */
export class Column<Value = unknown, Needed extends Presence = Presence> {
  /** The type of a value; never set. */
  declare readonly value: Value;
  /** Whether an insert must name it; never set. */
  declare readonly needed: Needed;
  /** What it is. */
  readonly definition: ColumnDefinition;

  constructor(definition: ColumnDefinition) {
    this.definition = definition;
  }

  /**
   * NULL is allowed, and is what a row gets that does not name the column.
   * @example
   * const note = text().nullable();
   */
  nullable(): Column<Value | null, 'optional'> {
    return new Column({ ...this.definition, nullable: true });
  }

  /**
   * What a row gets that does not name the column: a value, or a function called for each row. It is evaluated once,
   * on the writing client, and travels as a value.
   * @example
   * const done = boolean().default(false);
   * const colour = text().default(() => randomColour());
   */
  default(value: Value | (() => Value)): Column<Value, 'optional'> {
    if (typeof value === 'function') return new Column({ ...this.definition, fill: value as () => unknown });
    return new Column({ ...this.definition, fill: () => value, initial: value });
  }

  /**
   * The time of the write, for a `timestamp()`.
   * @example
   * const created_at = timestamp().defaultNow();
   */
  defaultNow(this: Column<Date, Presence>): Column<Date, 'optional'> {
    return new Column({ ...this.definition, fill: () => new Date(), initial: new Date(0) });
  }

  /**
   * Refers to a column of another table, as `table.column`.
   * @example
   * const list_id = text().references('lists.id', { onDelete: 'cascade' });
   */
  references(target: string, options: { readonly onDelete?: OnDelete } = {}): Column<Value, Needed> {
    return new Column({ ...this.definition, references: { target, onDelete: options.onDelete ?? 'no action' } });
  }

  /**
   * Part of the primary key, and NOT NULL.
   * @example
   * const members = table({ list_id: text().primaryKey(), user_id: text().primaryKey() });
   */
  primaryKey(): Column<Value, Needed> {
    return new Column({ ...this.definition, primaryKey: true });
  }

  /**
   * No two rows of this device have the same value. The server decides for all.
   * @example
   * const slug = text().unique();
   */
  unique(): Column<Value, Needed> {
    return new Column({ ...this.definition, unique: true });
  }
}

function column<Value>(kind: ColumnKind): Column<Value, 'required'> {
  return new Column({ kind, nullable: false, primaryKey: false, unique: false });
}

/**
 * A text primary key. A row that does not name it gets a UUIDv7, made in the page.
 * @example
 * const lists = table({ id: id(), name: text() });
 */
export function id(): Column<string, 'optional'> {
  return new Column({ ...column('text').definition, primaryKey: true, fill: uuid });
}

/**
 * Text, in UTF-8.
 * @example
 * const title = text();
 */
export function text<Value extends string = string>(): Column<Value, 'required'> {
  return column('text');
}

/**
 * A 64-bit integer, read as a number (beyond 2^53 reading throws `IntegerOutOfRange`) or always as a bigint.
 * @example
 * const count = integer();
 * const serial = integer({ mode: 'bigint' });
 */
export function integer(options?: { readonly mode?: 'number' }): Column<number, 'required'>;
export function integer(options: { readonly mode: 'bigint' }): Column<bigint, 'required'>;
export function integer(options?: { readonly mode?: 'number' | 'bigint' }): Column<number, 'required'> | Column<bigint, 'required'> {
  return options?.mode === 'bigint' ? column<bigint>('bigint') : column<number>('integer');
}

/**
 * A double.
 * @example
 * const position = real();
 */
export function real(): Column<number, 'required'> {
  return column('real');
}

/**
 * A boolean, stored as 0 or 1.
 * @example
 * const done = boolean().default(false);
 */
export function boolean(): Column<boolean, 'required'> {
  return column('boolean');
}

/**
 * A JSON value, stored as text. The type is a cast.
 * @example
 * const tags = json<string[]>().default(() => []);
 */
export function json<Value = unknown>(): Column<Value, 'required'> {
  return column('json');
}

/**
 * Bytes.
 * @example
 * const thumbnail = blob().nullable();
 */
export function blob(): Column<Uint8Array, 'required'> {
  return column('blob');
}

/**
 * A moment, stored as milliseconds since 1970 and read as a `Date`.
 * @example
 * const created_at = timestamp().defaultNow();
 */
export function timestamp(): Column<Date, 'required'> {
  return column('timestamp');
}

/** The type that a kind is declared with in SQL. Others would change the affinity. */
export const STORAGE_TYPES: Readonly<Record<ColumnKind, 'TEXT' | 'INTEGER' | 'REAL' | 'BLOB'>> = {
  text: 'TEXT',
  integer: 'INTEGER',
  bigint: 'INTEGER',
  real: 'REAL',
  boolean: 'INTEGER',
  json: 'TEXT',
  blob: 'BLOB',
  timestamp: 'INTEGER',
};

const EXPECTED: Readonly<Record<ColumnKind, string>> = {
  text: 'a string',
  integer: 'an integer within 2^53, or a bigint',
  bigint: 'a bigint of 64 bits, or an integer',
  real: 'a number',
  boolean: 'true or false',
  json: 'a JSON value',
  blob: 'a Uint8Array',
  timestamp: 'a valid Date',
};

/** Encodes a column's value for SQLite, or throws `BadValue` naming the column. */
export function encodeColumn(definition: ColumnDefinition, value: unknown, name: string): SqlValue {
  if (value === null && definition.nullable) return null;
  const encoded = value === null && definition.kind !== 'json' ? undefined : encodeKind(definition.kind, value);
  if (encoded !== undefined) return encoded;
  const given = value === null ? 'null' : value instanceof Date ? 'an invalid Date' : `a ${typeof value}`;
  const hint = value === null ? ' Declare it .nullable() to allow null.' : '';
  throw new BadValue(`${name} takes ${EXPECTED[definition.kind]}, not ${given}.${hint}`, { details: { column: name } });
}

function encodeKind(kind: ColumnKind, value: unknown): SqlValue | undefined {
  switch (kind) {
    case 'text':
      return typeof value === 'string' ? value : undefined;
    case 'integer':
    case 'bigint':
      return encodeInteger(value);
    case 'real':
      return typeof value === 'number' && !Number.isNaN(value) ? value : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? Number(value) : undefined;
    case 'json':
      return JSON.stringify(value) as string | undefined;
    case 'blob':
      return value instanceof Uint8Array ? value : undefined;
    case 'timestamp':
      return value instanceof Date && !Number.isNaN(value.getTime()) ? value.getTime() : undefined;
  }
}

function encodeInteger(value: unknown): SqlValue | undefined {
  if (typeof value === 'bigint') return BigInt.asIntN(64, value) === value ? value : undefined;
  return Number.isSafeInteger(value) ? (value as number) + 0 : undefined;
}

/** The value of a column that a row leaves out, or `undefined` when it must be named. */
export function fillColumn(definition: ColumnDefinition): unknown {
  if (definition.fill) return definition.fill();
  return definition.nullable ? null : undefined;
}

/** A default as the schema carries it, for `ALTER TABLE … ADD COLUMN`. */
export function initialValue(definition: ColumnDefinition, name: string): unknown {
  if (definition.initial === undefined) return undefined;
  const value = encodeColumn(definition, definition.initial, name);
  if (value instanceof Uint8Array) return { blob: btoa(String.fromCharCode(...value)) };
  if (typeof value !== 'bigint') return value;
  if (!Number.isSafeInteger(Number(value))) throw new SchemaMismatch(`${name}: a default beyond 2^53 must be a function.`);
  return Number(value);
}
