import { SeaworthyError } from './errors.js';
import type { SqlValue } from './value.js';

/** The values of one column, as SQLite has them; a typed array where no value is NULL. */
export type ColumnValues = ArrayLike<SqlValue>;

/** A result column, and the table's column that its values come from (both empty for an expression). */
export interface ResultColumn {
  readonly name: string;
  readonly table: string;
  readonly origin: string;
  readonly values: ColumnValues;
}

/** What one statement of a call did and gave. */
export interface StatementAnswer {
  readonly changes: number;
  readonly rowCount: number;
  readonly columns: readonly ResultColumn[];
}

const VERSION = 1;
const ALIGNMENT = 8;

// How the values of a column are packed.
const ALL_NULL = 0;
const INTEGER = 1;
const REAL = 2;
const TEXT = 3;
const BLOB = 4;
const MIXED = 5;
const BIG_INTEGER = 6;

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * Decodes an answer that the worker packed: little-endian, by column, every part padded to 8 bytes. Numbers without
 * NULL are views of the buffer; a column of texts is decoded by one call and then cut.
 */
export function decodeAnswer(buffer: Uint8Array): StatementAnswer[] {
  // A kept answer that was too large to keep has no bytes.
  if (buffer.length === 0) return [];
  const reader = new Reader(buffer.byteOffset % ALIGNMENT === 0 ? buffer : buffer.slice());
  if (reader.u32() !== VERSION) throw unreadable();
  const answers = Array.from({ length: reader.u32() }, () => readStatement(reader));
  if (reader.at !== buffer.length) throw unreadable();
  return answers;
}

function readStatement(reader: Reader): StatementAnswer {
  const changes = reader.u32();
  if (reader.u32() === 0) return { changes, rowCount: 0, columns: [] };
  const columnCount = reader.u32();
  const rowCount = reader.u32();
  const heads = Array.from({ length: columnCount }, () => ({ name: reader.text(), table: reader.text(), origin: reader.text() }));
  reader.pad();
  return { changes, rowCount, columns: heads.map((head) => ({ ...head, values: readColumn(reader, rowCount) })) };
}

function readColumn(reader: Reader, rows: number): ColumnValues {
  const packing = reader.u8();
  const hasNulls = reader.u8() !== 0;
  reader.pad();
  const present = hasNulls ? reader.bytes(rows) : undefined;
  reader.pad();
  const values = readValues(reader, packing, rows);
  reader.pad();
  if (!present) return values;
  const withNulls = new Array<SqlValue>(rows);
  for (let row = 0; row < rows; row++) withNulls[row] = present[row] === 0 ? null : (values[row] as SqlValue);
  return withNulls;
}

function readValues(reader: Reader, packing: number, rows: number): ColumnValues {
  switch (packing) {
    case ALL_NULL:
      return new Array<null>(rows).fill(null);
    case INTEGER:
    case REAL:
      return reader.array(Float64Array, rows);
    case BIG_INTEGER:
      return Array.from(reader.array(BigInt64Array, rows), numberIfExact);
    case TEXT:
      return readTexts(reader, rows);
    case BLOB:
      return readBlobs(reader, rows);
    case MIXED:
      return readMixed(reader, rows);
    default:
      throw unreadable();
  }
}

function readTexts(reader: Reader, rows: number): string[] {
  const length = reader.u32();
  reader.u32();
  const ends = reader.array(Uint32Array, rows);
  reader.pad();
  const all = decoder.decode(reader.bytes(length));
  const texts = new Array<string>(rows);
  for (let row = 0, start = 0; row < rows; row++) {
    const end = ends[row] as number;
    texts[row] = all.slice(start, end);
    start = end;
  }
  return texts;
}

function readBlobs(reader: Reader, rows: number): Uint8Array[] {
  const length = reader.u32();
  reader.u32();
  const ends = reader.array(Uint32Array, rows);
  reader.pad();
  const all = reader.bytes(length);
  return Array.from(ends, (end, row) => all.slice(row === 0 ? 0 : ends[row - 1], end));
}

function readMixed(reader: Reader, rows: number): SqlValue[] {
  reader.u32();
  reader.u32();
  return Array.from({ length: rows }, () => reader.value());
}

/** Walks through the buffer. Reading beyond its end throws, as every view does. */
class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  u8(): number {
    return this.#view.getUint8(this.at++);
  }

  u32(): number {
    this.at += 4;
    return this.#view.getUint32(this.at - 4, true);
  }

  text(): string {
    return decoder.decode(this.bytes(this.u32()));
  }

  bytes(length: number): Uint8Array {
    if (this.at + length > this.#bytes.length) throw unreadable();
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  array<T>(type: { new (buffer: ArrayBufferLike, offset: number, length: number): T; readonly BYTES_PER_ELEMENT: number }, length: number): T {
    const start = this.#bytes.byteOffset + this.at;
    this.bytes(length * type.BYTES_PER_ELEMENT);
    return new type(this.#bytes.buffer, start, length);
  }

  pad(): void {
    this.at = Math.ceil(this.at / ALIGNMENT) * ALIGNMENT;
  }

  /** One value with its tag, as in a call. */
  value(): SqlValue {
    switch (this.u8()) {
      case 0:
        return null;
      case 1:
        return this.#integer();
      case 2:
        this.at += 8;
        return this.#view.getFloat64(this.at - 8, true);
      case 3:
        return this.text();
      case 4:
        return this.bytes(this.u32()).slice();
      default:
        throw unreadable();
    }
  }

  #integer(): number | bigint {
    this.at += 8;
    return numberIfExact(this.#view.getBigInt64(this.at - 8, true));
  }
}

function numberIfExact(integer: bigint): number | bigint {
  const double = Number(integer);
  return Number.isSafeInteger(double) ? double : integer;
}

function unreadable(): SeaworthyError {
  return new SeaworthyError('Internal', 'The worker sent an answer that this page cannot read: they are of different releases. Reload the page.');
}
