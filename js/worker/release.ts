import type { OpenRequest } from '../messages.js';
import type { SchemaDefinition, TableJson } from '../schema.js';
import { Failure } from './failure.js';

/** How the schema of a page stands to that of the owner. */
export type Standing =
  /** The owner can serve it. */
  | 'served'
  /** It has what the owner does not know: it is of a newer release of the application. */
  | 'newer'
  /** The owner's is of a newer release, in which it no longer holds. */
  | 'older';

/** Compares the schema of a page with that of the owner. */
function compareSchemas(page: SchemaDefinition, owner: SchemaDefinition): Standing {
  if (JSON.stringify(page) === JSON.stringify(owner)) return 'served';
  if (page.version > owner.version) return 'newer';
  if (covers(owner, page)) return 'served';
  return page.version === owner.version && covers(page, owner) ? 'newer' : 'older';
}

/** How a page stands to the owner: who asks for more than the owner can give shall own the database. */
export function standingOf(page: OpenRequest, owner: OpenRequest): Standing {
  return page.sync && !owner.sync ? 'newer' : compareSchemas(page.schema, owner.schema);
}

/** What a page of an older release is told. */
export function outdatedSchema(): Failure {
  const message = 'Another tab runs a newer release of this application, whose tables this one does not know. Reload the page.';
  return new Failure('SchemaMismatch', message, { action: 'reload' });
}

/** Whether every table and column of `other` is in `schema` as it is. Statements that run at every open are the owner's. */
function covers(schema: SchemaDefinition, other: SchemaDefinition): boolean {
  return other.tables.every((table) => schema.tables.some((known) => coversTable(known, table)));
}

function coversTable(known: TableJson, { columns, indexes: _, ...table }: TableJson): boolean {
  const { columns: knownColumns, indexes: __, ...rest } = known;
  const spelled = knownColumns.map((column) => JSON.stringify(column));
  return JSON.stringify(rest) === JSON.stringify(table) && columns.every((column) => spelled.includes(JSON.stringify(column)));
}
