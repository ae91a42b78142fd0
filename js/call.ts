import { BadValue } from './errors.js';
import type { SqlValue } from './value.js';

/** A statement with the values of one or more runs, one set after another. */
export interface Statement {
  readonly text: string;
  /** All sets in one array; its length is `sets` times the number of `?`. */
  readonly values: readonly SqlValue[];
  readonly sets: number;
}

const VERSION = 1;
const NULL = 0;
const INTEGER = 1;
const REAL = 2;
const TEXT = 3;
const BLOB = 4;

/** Most bytes of one call; a larger write is split by its caller. */
const MAX_CALL_BYTES = 1 << 30;
/** The scratch buffer shrinks to this after a large call. */
const KEPT_BYTES = 1 << 20;
/** Up to here a loop over ASCII is faster than `encodeInto`. */
const SHORT_TEXT = 48;
/** UTF-8 needs at most so many bytes for a UTF-16 unit. */
const UTF8_PER_UNIT = 3;
const WORD = 2 ** 32;

const encoder = new TextEncoder();
let scratch = new Uint8Array(4096);
let view = new DataView(scratch.buffer);
let at = 0;

/** Packs statements and their values into the bytes that the worker hands to SQLite: little-endian, as `src/store` reads them. */
export function encodeCall(statements: readonly Statement[]): Uint8Array<ArrayBuffer> {
  at = 0;
  reserve(5);
  scratch[at++] = VERSION;
  putLength(statements.length);
  for (const { text, values, sets } of statements) {
    putText(text);
    reserve(8);
    putLength(sets);
    putLength(values.length / sets);
    for (let i = 0; i < values.length; i++) putValue(values[i] as SqlValue);
  }
  const bytes = scratch.slice(0, at);
  if (scratch.length > KEPT_BYTES) grow(KEPT_BYTES, 0);
  return bytes;
}

function putValue(value: SqlValue): void {
  reserve(9);
  if (typeof value === 'string') {
    scratch[at++] = TEXT;
    putText(value);
  } else if (typeof value === 'number') {
    putNumber(value);
  } else if (value === null) {
    scratch[at++] = NULL;
  } else if (typeof value === 'bigint') {
    scratch[at++] = INTEGER;
    view.setBigInt64(at, value, true);
    at += 8;
  } else {
    scratch[at++] = BLOB;
    putLength(value.length);
    reserve(value.length);
    scratch.set(value, at);
    at += value.length;
  }
}

/** A safe integer is SQLite's INTEGER; -0, a fraction and anything larger is REAL. */
function putNumber(value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    scratch[at++] = INTEGER;
    view.setUint32(at, value >>> 0, true);
    view.setInt32(at + 4, Math.floor(value / WORD), true);
  } else {
    scratch[at++] = REAL;
    view.setFloat64(at, value, true);
  }
  at += 8;
}

function putText(text: string): void {
  reserve(4 + text.length * UTF8_PER_UNIT);
  const start = at + 4;
  const written = text.length <= SHORT_TEXT ? putAscii(text, start) : -1;
  const length = written < 0 ? encoder.encodeInto(text, scratch.subarray(start)).written : written;
  putLength(length);
  at = start + length;
}

/** Writes a text that is ASCII; -1 if it is not. */
function putAscii(text: string, start: number): number {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return -1;
    scratch[start + i] = unit;
  }
  return text.length;
}

function putLength(length: number): void {
  view.setUint32(at, length, true);
  at += 4;
}

function reserve(bytes: number): void {
  if (at + bytes <= scratch.length) return;
  if (at + bytes > MAX_CALL_BYTES) throw new BadValue('A call of more than 1 GB cannot be made. Split it into several.');
  grow(Math.max(scratch.length * 2, at + bytes), at);
}

function grow(size: number, kept: number): void {
  const larger = new Uint8Array(size);
  larger.set(scratch.subarray(0, kept));
  scratch = larger;
  view = new DataView(scratch.buffer);
}
