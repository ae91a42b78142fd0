import { SeaworthyError } from './errors.js';
import type { ChangedRow, Value } from './generated/protocol.js';
import { tagBlob, tagInteger, tagReal } from './tag.js';

const TABLE = 0x54;
const INSERT = 18;
const UPDATE = 23;
const DELETE = 9;

type Cells = (Value | undefined)[];

interface Group {
  readonly table: string;
  readonly columns: readonly string[];
  readonly key: readonly boolean[];
}

/**
 * Decodes a changeset of SQLite's session extension, as it stands in the outbox and on the wire: big-endian, per table a
 * header and then its rows. `columns` names the columns of each table, which the bytes do not.
 * @example
 * const rows = decodeChangeset(bytes, { todos: ['id', 'title', 'done'] });
 */
export function decodeChangeset(bytes: Uint8Array, columns: Readonly<Record<string, readonly string[]>>): ChangedRow[] {
  const reader = new Reader(bytes);
  const changes: ChangedRow[] = [];
  let group: Group | undefined;
  while (!reader.done) {
    const op = reader.byte();
    if (op === TABLE) group = readGroup(reader, columns);
    else if (group) changes.push(readChange(reader, op, group));
    else throw malformed('a record comes before any table');
  }
  return changes;
}

function readGroup(reader: Reader, columns: Readonly<Record<string, readonly string[]>>): Group {
  const count = reader.varint();
  const key = Array.from({ length: count }, () => reader.byte() !== 0);
  const table = reader.name();
  const names = columns[table];
  if (names?.length !== count) throw malformed(`table ${table} has ${count} columns, ${names?.length ?? 0} are named`);
  return { table, columns: names, key };
}

function readChange(reader: Reader, op: number, { table, columns, key }: Group): ChangedRow {
  if (op !== INSERT && op !== UPDATE && op !== DELETE) throw malformed(`0x${op.toString(16)} is no operation`);
  const indirect = reader.byte() !== 0;
  const before: Cells = op === INSERT ? [] : columns.map(() => reader.value());
  const after: Cells = op === DELETE ? [] : columns.map(() => reader.value());
  const named = (cells: Cells, keys: boolean): Record<string, Value> =>
    Object.fromEntries(columns.flatMap((column, i) => (cells[i] === undefined || key[i] !== keys ? [] : [[column, cells[i]]])));
  const [old, now] = [named(before, false), named(after, false)];
  return {
    table,
    op: op === INSERT ? 'insert' : op === UPDATE ? 'update' : 'delete',
    ...(indirect ? { indirect } : {}),
    key: named(op === INSERT ? after : before, true),
    ...(Object.keys(old).length > 0 ? { old } : {}),
    ...(Object.keys(now).length > 0 ? { new: now } : {}),
  };
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  byte(): number {
    const byte = this.#bytes[this.#at++];
    if (byte === undefined) throw malformed('it ends in the middle of a record');
    return byte;
  }

  /** Seven bits to a byte, the highest first; the ninth byte has eight. */
  varint(): number {
    let value = 0;
    for (let i = 0; i < 8; i++) {
      const byte = this.byte();
      value = value * 128 + (byte & 0x7f);
      if (byte < 0x80) return value;
    }
    return value * 256 + this.byte();
  }

  name(): string {
    const end = this.#bytes.indexOf(0, this.#at);
    if (end < 0) throw malformed('it ends in the middle of a name');
    const name = this.#text(end - this.#at);
    this.#at++;
    return name;
  }

  /** One cell; `undefined` where the change does not have the column. */
  value(): Value | undefined {
    switch (this.byte()) {
      case 0:
        return undefined;
      case 1:
        return tagInteger(this.#view.getBigInt64(this.#skip(8)));
      case 2:
        return tagReal(this.#view.getFloat64(this.#skip(8)));
      case 3:
        return this.#text(this.varint());
      case 4:
        return tagBlob(this.#take(this.varint()));
      case 5:
        return null;
      default:
        throw malformed('it has a value of unknown type');
    }
  }

  #text(length: number): string {
    const bytes = this.#take(length);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    } catch {
      throw malformed('a text is not UTF-8');
    }
  }

  #take(length: number): Uint8Array {
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  #skip(length: number): number {
    const start = this.#at;
    this.#at += length;
    if (this.#at > this.#bytes.length) throw malformed('it ends in the middle of a value');
    return start;
  }
}

function malformed(what: string): SeaworthyError {
  return new SeaworthyError('BadChangeset', `These bytes are not a changeset: ${what}.`);
}
