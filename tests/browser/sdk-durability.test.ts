// What a commit costs in operations on the database's files, and when they are flushed, through the whole package.

import assert from 'node:assert/strict';
import type { TestTab } from './harness.js';
import { inEveryBrowser, openIn } from './sdk-stage.js';

const ALONE = 8;
const TOGETHER = 40;

/** The worker's script, which counts operations on files and answers on a channel what it counted since it was last asked. */
const COUNTING = `
  if ('DedicatedWorkerGlobalScope' in globalThis) {
    let done = { write: 0, flush: 0 };
    const channel = new BroadcastChannel('operations');
    channel.onmessage = () => {
      channel.postMessage(done);
      done = { write: 0, flush: 0 };
    };
    for (const operation of ['write', 'flush']) {
      const original = FileSystemSyncAccessHandle.prototype[operation];
      FileSystemSyncAccessHandle.prototype[operation] = function (...given) {
        done[operation]++;
        return original.apply(this, given);
      };
    }
  }`;

/** Runs the writes in the page, and answers which operations they took. */
function operations(page: TestTab, together: boolean): Promise<{ readonly write: number; readonly flush: number }> {
  const work = async ({ count, together }: { count: number; together: boolean }) => {
    const channel = new BroadcastChannel('operations');
    const counted = () =>
      new Promise<{ write: number; flush: number }>((resolve) => {
        channel.onmessage = ({ data }) => resolve(data);
        channel.postMessage(null);
      });
    await counted();
    const writes: PromiseLike<unknown>[] = [];
    for (let n = 0; n < count; n++) {
      writes.push(db.tables.things.insert({ n }));
      if (!together) await writes.at(-1);
    }
    await Promise.all(writes);
    const done = await counted();
    channel.close();
    return done;
  };
  return page.run(work, { count: together ? TOGETHER : ALONE, together });
}

inEveryBrowser('durability', (scenario) => {
  for (const durability of ['relaxed', 'strict'] as const) {
    const flushes = durability === 'strict' ? 'one flush' : 'no flush';
    scenario(`${durability}: a commit is one write to the file and ${flushes}, and commits that come together share it`, async (stage) => {
      const page = await stage.page();
      const workerUrl = await page.run((patch) => sdk.patchedWorker(patch), COUNTING);
      await openIn(page, { durability, workerUrl });
      const flushed = (writes: number) => (durability === 'strict' ? writes : 0);
      await operations(page, false);
      assert.deepEqual(await operations(page, false), { write: ALONE, flush: flushed(ALONE) });
      const together = await operations(page, true);
      assert.ok(together.write >= 1 && together.write <= TOGETHER / 4, `${TOGETHER} commits at once took ${together.write} writes`);
      assert.equal(together.flush, flushed(together.write));
    });
  }
});
