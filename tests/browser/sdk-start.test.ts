// Starts under policies and from other hosts, and workers that cannot start or never say a word.

import assert from 'node:assert/strict';
import { Host } from './host.js';
import { inEveryBrowser, openIn, type SdkStage } from './sdk-stage.js';

/** What the documentation asks a policy for, and nothing else but the page's own connections. */
const DOCUMENTED = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:";

inEveryBrowser('starts', (scenario, browser) => {
  scenario('the policy that is documented is enough', async (stage) => {
    await onHost(stage, { 'content-security-policy': DOCUMENTED }, async (host) => {
      const page = await stage.page(undefined, host);
      const refused = await page.run(async () => {
        const refused = new Promise<string>((resolve) =>
          document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => resolve(effectiveDirective)),
        );
        await fetch('data:,').catch(() => {});
        return refused;
      });
      assert.equal(refused, 'connect-src', 'the policy must be in force');
      await openIn(page);
      assert.equal(await page.run(() => db.tables.lists.count()), 0);
    });
  });

  scenario('a policy that forbids wasm is named', async (stage) => {
    await onHost(stage, { 'content-security-policy': DOCUMENTED.replace("'wasm-unsafe-eval'", '') }, async (host) => {
      const page = await stage.page(undefined, host);
      const failed = await page.run(() => sdk.failure(() => sdk.openDatabase().ready));
      assert.deepEqual([failed?.code, failed?.cause], ['WorkerFailed', 'csp'], failed?.message);
      assert.match(failed?.message ?? '', /wasm-unsafe-eval/);
    });
  });

  scenario('worker and wasm may come from another origin that lets itself be read, under the policy that is documented for it', async (stage) => {
    await onHost(stage, { 'access-control-allow-origin': '*' }, async (cdn) => {
      const policy = DOCUMENTED.replace("worker-src 'self'", `worker-src blob: ${cdn}`).replace("connect-src 'self'", `connect-src 'self' ${cdn}`);
      await onHost(stage, { 'content-security-policy': policy }, async (host) => {
        const page = await stage.page(undefined, host);
        const foreign = { workerUrl: `${cdn}/worker.js`, wasmUrl: `${cdn}/seaworthy.wasm` };
        const bare = await page.run(
          (url) =>
            new Promise((resolve) => {
              try {
                const worker = new Worker(url, { type: 'module' });
                worker.onerror = () => resolve('refused');
                worker.onmessage = () => resolve('started');
              } catch {
                resolve('refused');
              }
            }),
          foreign.workerUrl,
        );
        assert.equal(bare, 'refused', 'browsers refuse the bare URL of a worker from another origin');
        await openIn(page, foreign);
        assert.equal(await page.run(() => db.tables.lists.count()), 0);
      });
    });
  });

  scenario('a policy that forbids the other origin of the worker is named', async (stage) => {
    await onHost(stage, { 'access-control-allow-origin': '*' }, async (cdn) => {
      await onHost(stage, { 'content-security-policy': "worker-src blob: 'self'" }, async (host) => {
        const page = await stage.page(undefined, host);
        const failed = await page.run((workerUrl) => sdk.failure(() => sdk.openDatabase({ workerUrl }).ready), `${cdn}/worker.js`);
        assert.deepEqual([failed?.code, failed?.cause], ['WorkerFailed', 'csp'], failed?.message);
        assert.ok(failed?.message.includes(`blob: and ${cdn}`), failed?.message);
      });
    });
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

  // Its five seconds are the same everywhere.
  if (browser === 'chromium') {
    scenario('a script that is no worker of ours fails after five seconds, and says so', async (stage) => {
      const page = await stage.page();
      const failed = await page.run(async () => {
        const begun = performance.now();
        const silent = URL.createObjectURL(new Blob(['export {};'], { type: 'text/javascript' }));
        const failed = await sdk.failure(() => sdk.openDatabase({ workerUrl: silent }).ready);
        return { code: failed?.code, cause: failed?.cause, message: failed?.message, ms: performance.now() - begun };
      });
      assert.deepEqual([failed.code, failed.cause], ['WorkerFailed', 'timeout'], failed.message);
      assert.ok(failed.ms > 4500, `it may take five seconds, and failed after ${failed.ms} ms`);
    });
  }
});

/** Serves the page and the package from a host that sends these headers. */
async function onHost(stage: SdkStage, headers: Readonly<Record<string, string>>, run: (url: string) => Promise<void>): Promise<void> {
  const host = await Host.of(stage.site.folder, headers);
  try {
    await run(host.url);
  } finally {
    await host.remove();
  }
}
