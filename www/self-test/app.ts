// The self-test, in the visitor's own browser. It needs nothing but these files. In a frame, which stands for another tab, it
// only opens the database that its address names.

import type { StorageTier } from 'seaworthy';
import { openBench } from './bench.js';
import { frameRequest } from './frame.js';
import { run } from './run.js';
import { View } from './view.js';

const LOCK = 'seaworthy-self-test';

const asked = frameRequest(location.search);
if (asked) globalThis.bench = openBench(asked.tier as StorageTier, asked.name);
else {
  const view = new View(() => void test(view));
  document.body.append(view.node);
  void test(view);
}

async function test(view: View): Promise<void> {
  view.begin();
  const work = async (): Promise<void> => {
    await run(view.report, (group) => view.update(group));
    view.end();
  };
  const inTurn = async (lock: Lock | null): Promise<void> => {
    if (lock) await work();
    else view.refuse('The self-test runs in another tab. Wait for its end.');
  };
  // Where there are no locks, or none are lent, nothing is kept that two tests could meet at.
  const { locks } = navigator as Partial<Navigator>;
  if (locks) await locks.request(LOCK, { ifAvailable: true }, inTurn).catch(work);
  else await work();
}
