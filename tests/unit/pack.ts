// Packs an answer as the store does, so that the decoder can be tested without wasm. The store's own bytes are decoded in the browser tests.

import type { SqlValue } from '../../js/value.js';

/** A real that must not be packed as an integer. */
export class Real {
  constructor(readonly value: number) {}
}

export type Cell = SqlValue | Real;

export interface Column {
  readonly name: string;
  readonly table?: string;
  readonly origin?: string;
  readonly cells: readonly Cell[];
}

export interface Statement {
  readonly changes?: number;
  readonly columns?: readonly Column[];
}

const utf8 = new TextEncoder();

export function pack(...statements: readonly Statement[]): Uint8Array {
  const out = new Writer();
  out.u32(1);
  out.u32(statements.length);
  for (const { changes = 0, columns } of statements) {
    out.u32(changes);
    out.u32(columns ? 1 : 0);
    if (columns) packRows(out, columns);
  }
  return out.done();
}

function packRows(out: Writer, columns: readonly Column[]): void {
  out.u32(columns.length);
  out.u32(columns[0]?.cells.length ?? 0);
  for (const { name, table = '', origin = '' } of columns) for (const text of [name, table, origin]) out.text(text);
  out.pad();
  for (const { cells } of columns) packColumn(out, cells);
}

function packColumn(out: Writer, cells: readonly Cell[]): void {
  const kind = kindOf(cells);
  const nulls = kind !== 0 && kind !== 5 && cells.includes(null);
  out.bytes([kind, nulls ? 1 : 0]);
  out.pad();
  if (nulls) out.bytes(cells.map((cell) => (cell === null ? 0 : 1)));
  out.pad();
  if (kind === 1 || kind === 2) for (const cell of cells) out.f64(cell instanceof Real ? cell.value : Number(cell));
  if (kind === 6) for (const cell of cells) out.i64(BigInt((cell ?? 0) as number | bigint));
  if (kind === 3) packEnds(out, cells, (cell) => ({ units: String(cell).length, bytes: utf8.encode(String(cell)) }));
  if (kind === 4) packEnds(out, cells, (cell) => ({ units: (cell as Uint8Array).length, bytes: cell as Uint8Array }));
  if (kind === 5) {
    const inner = new Writer();
    for (const cell of cells) packValue(inner, cell);
    const bytes = inner.done();
    out.u32(bytes.length);
    out.u32(0);
    out.bytes(bytes);
  }
  out.pad();
}

function packEnds(out: Writer, cells: readonly Cell[], part: (cell: Cell) => { units: number; bytes: Uint8Array }): void {
  const parts = cells.map((cell) => (cell === null ? { units: 0, bytes: new Uint8Array() } : part(cell)));
  out.u32(parts.reduce((sum, { bytes }) => sum + bytes.length, 0));
  out.u32(0);
  let end = 0;
  for (const { units } of parts) {
    end += units;
    out.u32(end);
  }
  out.pad();
  for (const { bytes } of parts) out.bytes(bytes);
}

function packValue(out: Writer, cell: Cell): void {
  if (cell === null) out.bytes([0]);
  else if (cell instanceof Real) {
    out.bytes([2]);
    out.f64(cell.value);
  } else if (typeof cell === 'string') {
    out.bytes([3]);
    out.text(cell);
  } else if (cell instanceof Uint8Array) {
    out.bytes([4]);
    out.u32(cell.length);
    out.bytes(cell);
  } else {
    out.bytes([1]);
    out.i64(BigInt(cell));
  }
}

function kindOf(cells: readonly Cell[]): number {
  const kinds = new Set(cells.flatMap((cell) => (cell === null ? [] : [cellKind(cell)])));
  if (kinds.size === 0) return 0;
  if (kinds.size === 2 && kinds.has(1) && kinds.has(6)) return 6;
  return kinds.size === 1 ? ([...kinds][0] as number) : 5;
}

function cellKind(cell: Exclude<Cell, null>): number {
  if (cell instanceof Real) return 2;
  if (typeof cell === 'string') return 3;
  if (cell instanceof Uint8Array) return 4;
  return Number.isSafeInteger(Number(cell)) ? 1 : 6;
}

class Writer {
  readonly #parts: number[] = [];

  bytes(bytes: Iterable<number>): void {
    for (const byte of bytes) this.#parts.push(byte);
  }

  u32(value: number): void {
    this.bytes(new Uint8Array(Uint32Array.of(value).buffer));
  }

  f64(value: number): void {
    this.bytes(new Uint8Array(Float64Array.of(value).buffer));
  }

  i64(value: bigint): void {
    this.bytes(new Uint8Array(BigInt64Array.of(value).buffer));
  }

  text(text: string): void {
    const bytes = utf8.encode(text);
    this.u32(bytes.length);
    this.bytes(bytes);
  }

  pad(): void {
    while (this.#parts.length % 8 !== 0) this.#parts.push(0);
  }

  done(): Uint8Array {
    return Uint8Array.from(this.#parts);
  }
}
