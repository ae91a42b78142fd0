import { type Column, initialValue, type OnDelete, STORAGE_TYPES } from './column.js';
import { SchemaMismatch } from './errors.js';
import type { Policy } from './generated/protocol.js';
import type { Table } from './table.js';

/**
 * Tables by name.
 * @example
 * const shared: Tables = { lists: table({ id: id(), name: text() }) };
 */
export type Tables = Readonly<Record<string, Table>>;

/**
 * What a schema is besides its tables.
 * @example
 * const options: SchemaOptions = { version: 2, sql: ['CREATE VIEW IF NOT EXISTS open AS SELECT * FROM todos WHERE done = 0'] };
 */
export interface SchemaOptions {
  /** The version of the schema; 1 unless told. Raise it when tables change. */
  readonly version?: number;
  /** Statements that run at every open and may run again: triggers, views, full-text tables. */
  readonly sql?: readonly string[];
}

const DEFINITION = Symbol('seaworthy.schema');

/**
 * A declared schema: its tables by name.
 * @example
 * const app: Schema = schema({ lists: table({ id: id(), name: text() }) });
 */
export type Schema<T extends Tables = Tables> = T & { readonly [DEFINITION]: SchemaDefinition };

/** A column as the store reads it. */
export interface ColumnJson {
  readonly name: string;
  readonly type: 'TEXT' | 'INTEGER' | 'REAL' | 'BLOB';
  readonly nullable: boolean;
  readonly default?: unknown;
  readonly references?: { readonly table: string; readonly column: string; readonly on_delete: OnDelete };
  readonly unique: boolean;
}

/** A table as the store reads it. */
export interface TableJson {
  readonly name: string;
  readonly columns: readonly ColumnJson[];
  readonly primary_key: readonly string[];
  readonly indexes: readonly { readonly columns: readonly string[]; readonly unique: boolean }[];
  readonly local_only: boolean;
  readonly keys?: 'application';
  readonly on_conflict?: Policy;
}

/** A schema as the store reads it. */
export interface SchemaDefinition {
  readonly version: number;
  readonly tables: readonly TableJson[];
  readonly sql: readonly string[];
}

/**
 * Declares the schema of a database. A mistake in it throws `SchemaMismatch` at once.
 * @example
 * const app = schema({
 *   lists: table({ id: id(), name: text() }),
 *   todos: table({ id: id(), list_id: text().references('lists.id', { onDelete: 'cascade' }), title: text() }),
 * });
 */
export function schema<T extends Tables>(tables: T, options: SchemaOptions = {}): Schema<T> {
  const definition: SchemaDefinition = {
    version: options.version ?? 1,
    tables: Object.entries(tables).map(([name, table]) => tableJson(name, table, tables)),
    sql: options.sql ?? [],
  };
  const named: object = Object.assign(Object.create(null), tables);
  Object.defineProperty(named, DEFINITION, { value: definition });
  return Object.freeze(named) as Schema<T>;
}

/** The schema as the store reads it. */
export function definitionOf(declared: Schema): SchemaDefinition {
  return declared[DEFINITION];
}

function tableJson(name: string, table: Table, tables: Tables): TableJson {
  const primaryKey = table.primaryKey;
  if (primaryKey.length === 0) throw new SchemaMismatch(`Table ${name} has no primary key. Give it an id(), or mark columns with .primaryKey().`);
  const columns = Object.entries(table.columns).map(([column, { definition }]): ColumnJson => {
    const target = definition.references;
    const initial = initialValue(definition, `${name}.${column}`);
    return {
      name: column,
      type: STORAGE_TYPES[definition.kind],
      nullable: definition.nullable,
      unique: definition.unique,
      ...(initial === undefined ? {} : { default: initial }),
      ...(target ? { references: { ...resolve(target.target, `${name}.${column}`, tables), on_delete: target.onDelete } } : {}),
    };
  });
  const indexes = (table.options.indexes ?? []).map((index) =>
    'columns' in index ? { columns: index.columns, unique: index.unique ?? false } : { columns: index, unique: false },
  );
  const result: TableJson = { name, columns, primary_key: primaryKey, indexes, local_only: table.options.localOnly ?? false };
  checkTable(result, table.columns, table.options.keys);
  const { keys, onConflict } = table.options;
  return { ...result, ...(keys ? { keys } : {}), ...(onConflict ? { on_conflict: onConflict } : {}) };
}

function checkTable(table: TableJson, columns: Readonly<Record<string, Column>>, keys: 'application' | undefined): void {
  const named = [...table.primary_key, ...table.indexes.flatMap((index) => index.columns)];
  const unknown = named.find((name) => !Object.hasOwn(columns, name));
  if (unknown !== undefined) throw new SchemaMismatch(`Table ${table.name} has no column ${unknown}, which its primary key or an index names.`);
  const key = table.primary_key.map((name) => ({ name, definition: columns[name]?.definition }));
  const nullable = key.find(({ definition }) => definition?.nullable);
  if (nullable) throw new SchemaMismatch(`${table.name}.${nullable.name} is part of the primary key and cannot be nullable.`);
  const single = key.length === 1 ? key[0]?.definition : undefined;
  if (single && STORAGE_TYPES[single.kind] === 'INTEGER' && !table.local_only && keys !== 'application') {
    throw new SchemaMismatch(
      `Table ${table.name} has an integer key: two devices that are offline would choose the same. Use id(), or say { keys: 'application' } if the application chooses keys that differ.`,
    );
  }
}

/** Names may contain dots, so the target is found among the tables that there are. */
function resolve(target: string, place: string, tables: Tables): { table: string; column: string } {
  for (const [table, { columns }] of Object.entries(tables)) {
    const column = target.slice(table.length + 1);
    if (target.startsWith(`${table}.`) && Object.hasOwn(columns, column)) return { table, column };
  }
  throw new SchemaMismatch(`${place} refers to ${target}, which is not a column of this schema. Write 'table.column'.`);
}
