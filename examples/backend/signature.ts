// Checks that a request comes from the Seaworthy server: https://www.standardwebhooks.com, as any library for it does.

import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** How far the clocks of both sides may be apart. What is older may be a recording. */
const TOLERANCE_S = 300;

/** Whether `body` was signed with `secret` (`whsec_…`), just now. */
export function isSigned(headers: IncomingHttpHeaders, body: Buffer, secret: string): boolean {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signatures } = headers;
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signatures !== 'string') return false;
  if (!(Math.abs(Date.now() / 1000 - Number(timestamp)) <= TOLERANCE_S)) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest();
  return signatures.split(' ').some((signature) => {
    const found = Buffer.from(signature.replace(/^v1,/, ''), 'base64');
    return found.length === expected.length && timingSafeEqual(found, expected);
  });
}
