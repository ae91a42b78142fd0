import type { ResultColumn, StatementAnswer } from './answer.js';
import type { ColumnKind } from './column.js';
import { IntegerOutOfRange } from './errors.js';
import type { Schema } from './schema.js';
import type { SqlValue } from './value.js';

/** Whether rows are frozen and mistakes are explained: what bundlers say, and production where nobody says. */
export const development: boolean = isDevelopment();

declare const process: { readonly env: { readonly NODE_ENV?: string } };

function isDevelopment(): boolean {
  try {
    // Written so that bundlers replace it; a browser without a bundler has no `process`.
    return process.env.NODE_ENV !== 'production';
  } catch {
    return false;
  }
}

/**
 * Builds the rows of an answer. A value that comes from a column of the schema is decoded by that column's type,
 * anything else is left as SQLite has it (an integer beyond 2^53 is a bigint).
 */
export function buildRows<Row extends object>(answer: StatementAnswer, schema: Schema): Row[] {
  const build = rowBuilder(answer, schema);
  const rows = new Array<Row>(answer.rowCount);
  for (let row = 0; row < rows.length; row++) rows[row] = build(row) as Row;
  return development ? (Object.freeze(rows) as Row[]) : rows;
}

/** A function that builds the row with a number. */
export function rowBuilder(answer: StatementAnswer, schema: Schema): (row: number) => object {
  const { columns } = answer;
  const names = columns.map((column) => column.name);
  const decoders = columns.map((column) => decoderOf(column, schema));
  // Assigning to `__proto__` would not make an own property.
  const odd = names.includes('__proto__');
  return (row) => {
    const object: Record<string, unknown> = {};
    for (let c = 0; c < columns.length; c++) {
      const raw = (columns[c] as ResultColumn).values[row] as SqlValue;
      const decode = decoders[c];
      const value = decode && raw !== null ? decode(raw) : raw;
      const name = names[c] as string;
      if (odd) Object.defineProperty(object, name, { value, writable: true, enumerable: true, configurable: true });
      else object[name] = value;
    }
    return development ? Object.freeze(object) : object;
  };
}

/** How a value of SQLite becomes one of the application. A value of another SQLite type than the column's stays as it is. */
type Decoder = (value: SqlValue) => unknown;

const DECODERS: Partial<Record<ColumnKind, Decoder>> = {
  bigint: (value) => (typeof value === 'number' && Number.isInteger(value) ? BigInt(value) : value),
  boolean: (value) => (typeof value === 'number' ? value !== 0 : value),
  timestamp: (value) => (typeof value === 'number' ? new Date(value) : value),
  json: (value) => (typeof value === 'string' ? parseJson(value) : value),
};

function decoderOf({ table, origin }: ResultColumn, schema: Schema): Decoder | undefined {
  const kind = columnKind(schema, table, origin);
  if (kind !== 'integer') return kind && DECODERS[kind];
  return (value) => {
    if (typeof value === 'bigint') throw outOfRange(value, `${table}.${origin}`);
    return value;
  };
}

/** A single value, decoded by the kind of its column. */
export function decodeAs(kind: ColumnKind | undefined, value: SqlValue): unknown {
  const decode = kind && DECODERS[kind];
  return decode && value !== null ? decode(value) : value;
}

/** The kind of a column of the schema; `undefined` for anything else. */
export function columnKind(schema: Schema, table: string, column: string): ColumnKind | undefined {
  const declared = schema[table]?.columns;
  return declared && Object.hasOwn(declared, column) ? declared[column]?.definition.kind : undefined;
}

/** The columns of a result that hold the primary key of a table of the schema: rows with equal ones are the same row. */
export function keyColumns({ columns }: StatementAnswer, schema: Schema): readonly number[] {
  for (const name of new Set(columns.map((column) => column.table))) {
    const key = schema[name]?.primaryKey.map((column) => columns.findIndex(({ table, origin }) => table === name && origin === column));
    if (key?.every((at) => at >= 0)) return key;
  }
  return [];
}

/** Text that is not JSON, which another writer may have stored, stays text. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function outOfRange(value: bigint, column: string): IntegerOutOfRange {
  return new IntegerOutOfRange(`${column} holds ${value}, which a JavaScript number cannot represent. Declare the column as integer({ mode: 'bigint' }).`, {
    details: { column, value },
  });
}
