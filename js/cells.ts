// Cells of rows as they cross to the worker, and as the application sees them.

import { encodeColumn } from './column.js';
import { BadValue } from './errors.js';
import type { Value } from './generated/protocol.js';
import type { Image } from './messages.js';
import { columnKind, decodeAs } from './rows.js';
import type { Schema } from './schema.js';
import { tag, untag } from './tag.js';

/** Cells as the application sees them. */
export function decodeCells(cells: Readonly<Record<string, Value>>, table: string, schema: Schema): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(cells).map(([column, value]) => [column, decodeAs(columnKind(schema, table, column), untag(value))]));
}

/** Cells as the worker takes them, or `BadValue` naming the column. */
export function encodeCells(cells: Readonly<Record<string, unknown>>, table: string, schema: Schema): Image {
  const columns = schema[table]?.columns ?? {};
  return Object.fromEntries(
    Object.entries(cells).flatMap(([column, value]) => {
      if (value === undefined) return [];
      const definition = Object.hasOwn(columns, column) ? columns[column]?.definition : undefined;
      if (!definition) throw new BadValue(`Table ${table} has no column ${column}.`);
      return [[column, tag(encodeColumn(definition, value, `${table}.${column}`))]];
    }),
  );
}
