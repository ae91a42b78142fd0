// Kills in the middle of writes, the short form: everything that can be killed, in each browser. `npm run crash` is the long one.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crash, VICTIMS } from './crash.js';
import { BROWSERS } from './harness.js';

const TIMEOUT_MS = 90_000;
const SEED = 1;
/** Begins with the whole browser, and then a worker. */
const BROWSER_FIRST_SEED = 19;

for (const browser of BROWSERS) {
  const victims = VICTIMS[browser];
  describe(`killed in the middle of writes, in ${browser}`, () => {
    test(`a ${victims.join(', a ')}: what was acknowledged is there, and queued exactly once`, { timeout: TIMEOUT_MS }, async () => {
      const report = await crash({ browser, tier: 'opfs', seed: SEED, kills: victims.length, tabs: 2 });
      assert.deepEqual(report.kills, Object.fromEntries(victims.map((victim) => [victim, 1])), 'each must have been killed');
      assert.ok(report.inWrites >= victims.length - 1, `only ${report.inWrites} kills came in the middle of writes`);
      assert.ok(report.acknowledged > victims.length, `only ${report.acknowledged} writes were acknowledged`);
    });

    test('the browser and a worker, with the database in IndexedDB: the same holds', { timeout: TIMEOUT_MS }, async () => {
      const report = await crash({ browser, tier: 'indexeddb', seed: BROWSER_FIRST_SEED, kills: 2, tabs: 2 });
      assert.deepEqual(report.kills, { browser: 1, worker: 1 });
      assert.ok(report.inWrites > 0, 'no kill came in the middle of writes');
    });
  });
}
