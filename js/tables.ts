import type { Runner } from './query.js';
import type { Schema, Tables } from './schema.js';
import { TableHandle } from './table-handle.js';

/** A handle for each table of a schema. */
export type TableHandles<S extends Tables, Mode extends 'database' | 'transaction'> = { readonly [K in keyof S & string]: TableHandle<S[K], Mode> };

/** Makes the handles. The object has no prototype, so that no table's name collides. */
export function tableHandles<S extends Tables, Mode extends 'database' | 'transaction'>(schema: Schema<S>, runner: Runner<Mode>): TableHandles<S, Mode> {
  const handles = Object.create(null) as Record<string, unknown>;
  for (const [name, table] of Object.entries(schema)) handles[name] = new TableHandle({ name, table, runner });
  return Object.freeze(handles) as TableHandles<S, Mode>;
}
