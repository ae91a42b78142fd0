const POOL_BYTES = 1024;
const RANDOM_BYTES = 8;

const pool = new Uint8Array(POOL_BYTES);
const view = new DataView(pool.buffer);
let poolAt = POOL_BYTES;
let lastTime = 0;
let counter = 0;

/**
 * Makes a UUIDv7 (RFC 9562): 48 bits of time, a 12-bit counter that keeps ids of one page in order within a
 * millisecond, 62 random bits. Works in insecure contexts too.
 * @example
 * const id = uuid(); // '0190163d-8694-739b-aea5-966c26f8ad91'
 */
export function uuid(): string {
  const now = Date.now();
  if (now > lastTime) {
    lastTime = now;
    counter = 0;
  } else if (++counter > 0xfff) {
    // More than 4,096 in a millisecond, or a clock that went back: borrow from the future.
    lastTime++;
    counter = 0;
  }
  const at = random();
  const time = hex(lastTime, 12);
  const variant = hex((view.getUint16(at) & 0x3fff) | 0x8000, 4);
  const node = hex(view.getUint16(at + 2), 4) + hex(view.getUint32(at + 4), 8);
  return `${time.slice(0, 8)}-${time.slice(8)}-${hex(0x7000 | counter, 4)}-${variant}-${node}`;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0');
}

function random(): number {
  if (poolAt + RANDOM_BYTES > POOL_BYTES) {
    crypto.getRandomValues(pool);
    poolAt = 0;
  }
  poolAt += RANDOM_BYTES;
  return poolAt - RANDOM_BYTES;
}
