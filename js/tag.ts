// JSON's tags for the values of SQLite that JSON cannot hold, put on and taken off.

import type { Value } from './generated/protocol.js';
import type { SqlValue } from './value.js';

/** A value of SQLite without its tag. */
export function untag(value: Value): SqlValue {
  if (typeof value !== 'object' || value === null) return value;
  if ('integer' in value) return BigInt(value.integer);
  if ('real' in value) return Number(value.real.replace('inf', 'Infinity'));
  return Uint8Array.from(atob(value.blob), (character) => character.charCodeAt(0));
}

/** A value of SQLite with its tag. A number without a fraction is an integer, as when it is bound. */
export function tag(value: SqlValue): Value {
  if (typeof value === 'bigint') return tagInteger(value);
  if (typeof value === 'number') return Number.isInteger(value) && !Object.is(value, -0) ? tagNumber(value) : tagReal(value);
  return value instanceof Uint8Array ? tagBlob(value) : value;
}

/** Bytes, tagged. */
export function tagBlob(bytes: Uint8Array): Value {
  return { blob: btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) };
}

function tagNumber(integer: number): Value {
  return Number.isSafeInteger(integer) ? integer : tagReal(integer);
}

/** An integer; beyond 2^53 it is tagged. */
export function tagInteger(integer: bigint): Value {
  const double = Number(integer);
  return Number.isSafeInteger(double) ? double : { integer: integer.toString() };
}

/** A real; one that JSON would print like an integer is tagged, in the server's notation. */
export function tagReal(real: number): Value {
  if (Number.isNaN(real)) return null;
  if (!Number.isFinite(real)) return { real: real > 0 ? 'inf' : '-inf' };
  if (!Number.isInteger(real)) return real;
  if (Math.abs(real) >= 1e16) return { real: real.toExponential().replace('+', '') };
  return { real: `${Object.is(real, -0) ? '-' : ''}${real}.0` };
}
