const HEX: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const POOL_BYTES = 1024;
const RANDOM_BYTES = 8;
const MAX_COUNTER = 0xfff;

const pool = new Uint8Array(POOL_BYTES);
let poolAt = POOL_BYTES;
let lastTime = 0;
let counter = 0;
/** The time with its hyphen, as all ids of the same millisecond begin. */
let prefix = '';

/**
 * Makes a UUIDv7 (RFC 9562): 48 bits of time, a 12-bit counter that keeps ids of one page in order within a
 * millisecond, 62 random bits. Works in insecure contexts too.
 * @example
 * const id = uuid(); // '0190163d-8694-739b-aea5-966c26f8ad91'
 */
export function uuid(): string {
  const now = Date.now();
  if (now > lastTime) {
    begin(now);
  } else if (++counter > MAX_COUNTER) {
    // More than 4,096 in a millisecond, or a clock that went back: borrow from the future.
    begin(lastTime + 1);
  }
  if (poolAt + RANDOM_BYTES > POOL_BYTES) {
    crypto.getRandomValues(pool);
    poolAt = 0;
  }
  const order = `7${HEX[counter >> 4]}${(counter & 0xf).toString(16)}`;
  const variant = HEX[(random() & 0x3f) | 0x80] + digits(1);
  return `${prefix}${order}-${variant}-${digits(6)}`;
}

function begin(time: number): void {
  lastTime = time;
  counter = 0;
  const hex = time.toString(16).padStart(12, '0');
  prefix = `${hex.slice(0, 8)}-${hex.slice(8)}-`;
}

function random(): number {
  return pool[poolAt++] as number;
}

function digits(bytes: number): string {
  let text = '';
  for (let i = 0; i < bytes; i++) text += HEX[random()];
  return text;
}

/** Names this page among all pages of all browsers. */
export const pageId = uuid();

let requests = 0;

/** Names a request that writes: the page, and a number, so that answers that a page has left behind can be told. */
export function requestId(): string {
  return `${pageId}.${++requests}`;
}
