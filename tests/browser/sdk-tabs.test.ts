// Two tabs of one profile, and workers that cannot start.

import assert from 'node:assert/strict';
import { inEveryBrowser, openIn, reload } from './sdk-stage.js';

inEveryBrowser('tabs and starts', (scenario, browser) => {
  scenario('a second tab says so, its calls wait, and it takes over when the first one closes', async (stage) => {
    const profile = await stage.profile();
    const first = await stage.page(profile);
    await openIn(first);
    await first.run(() => db.tables.lists.insert({ name: 'of the first', owner_id: 'ann' }).then(() => {}));
    const second = await stage.page(profile);
    await second.run(() => {
      globalThis.db = sdk.openDatabase();
      const answers: string[] = [];
      Object.assign(globalThis, { answers });
      void db.tables.lists.all().then((rows) => answers.push(...rows.map(({ name }) => name)));
    });
    await second.until('the status to name the other tab', () => db.status.getSnapshot().owner === 'other-tab');
    const aborted = await second.run(() => sdk.failure(() => db.tables.lists.all({ signal: AbortSignal.timeout(50) })));
    assert.equal(aborted?.name, 'TimeoutError');
    assert.equal(await second.run(() => (globalThis as unknown as { answers: string[] }).answers.length), 0);
    await first.close();
    await second.until('the second tab to take over', () => db.status.getSnapshot().owner === 'this-tab');
    await second.until('the waiting call to be answered', () => (globalThis as unknown as { answers: string[] }).answers[0] === 'of the first');
  });

  scenario('a tab that is reloaded while another waits gives way and waits in its turn', async (stage) => {
    const profile = await stage.profile();
    const first = await stage.page(profile);
    await openIn(first);
    const second = await stage.page(profile);
    await second.run(() => {
      globalThis.db = sdk.openDatabase();
    });
    await second.until('the status to name the other tab', () => db.status.getSnapshot().owner === 'other-tab');
    await reload(first);
    await second.until('the second tab to take over', () => db.status.getSnapshot().owner === 'this-tab');
    await first.run(() => {
      globalThis.db = sdk.openDatabase();
    });
    await first.until('the first tab to wait', () => db.status.getSnapshot().owner === 'other-tab');
    await second.run(() => db.close({ now: true }));
    await first.until('the first tab to take over again', () => db.status.getSnapshot().owner === 'this-tab');
    await first.run(() => db.ready);
  });

  scenario('a worker that is not there, or is not a script, fails with its cause', async (stage) => {
    const page = await stage.page();
    const failures = await page.run(async () => {
      const cause = async (choice: Parameters<typeof sdk.openDatabase>[0]) => {
        const wrong = sdk.openDatabase(choice);
        const events: string[] = [];
        wrong.on('error', ({ code }) => events.push(code));
        const ready = await sdk.failure(() => wrong.ready);
        const call = await sdk.failure(() => wrong.tables.lists.all());
        return [ready?.code, ready?.cause, call?.code, wrong.status.getSnapshot().error?.code, events.join()];
      };
      return {
        worker: await cause({ name: 'a', workerUrl: '/nowhere/worker.js' }),
        type: await cause({ name: 'b', workerUrl: '/index.html' }),
        wasm: await cause({ name: 'c', wasmUrl: '/nowhere.wasm' }),
        notWasm: await cause({ name: 'd', wasmUrl: '/index.html' }),
      };
    });
    const failed = (cause: string) => ['WorkerFailed', cause, 'WorkerFailed', 'WorkerFailed', 'WorkerFailed'];
    assert.deepEqual(failures, { worker: failed('not-found'), type: failed('wrong-type'), wasm: failed('not-found'), notWasm: failed('wrong-type') });
  });

  scenario('a worker from another origin that may not be read fails as cross-origin', async (stage) => {
    const page = await stage.page();
    const foreign = `http://localhost:${stage.server.port}/worker.js`;
    const failed = await page.run((workerUrl) => sdk.failure(() => sdk.openDatabase({ workerUrl }).ready), foreign);
    assert.deepEqual([failed?.code, failed?.cause], ['WorkerFailed', 'cross-origin'], `${browser}: ${failed?.message}`);
  });

  scenario('a policy that forbids the worker is named', async (stage) => {
    const page = await stage.page();
    const failed = await page.run(() => {
      const policy = document.createElement('meta');
      policy.httpEquiv = 'Content-Security-Policy';
      policy.content = "worker-src 'none'";
      document.head.append(policy);
      return sdk.failure(() => sdk.openDatabase().ready);
    });
    assert.deepEqual([failed?.code, failed?.cause], ['WorkerFailed', 'csp'], failed?.message);
  });
});
