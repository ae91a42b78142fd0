// Browsers that refuse storage, wholly or in part: Firefox in a private window, with site data blocked, and on plain HTTP.

import assert from 'node:assert/strict';
import { launchFirefox } from './harness.js';
import { inBrowser, openIn, reload, type Scenario } from './sdk-stage.js';

const PLAIN_HOST = 'plain.test';

function inFirefox(subject: string, settings: Readonly<Record<string, unknown>>, define: (scenario: Scenario) => void): void {
  inBrowser(subject, 'firefox', () => launchFirefox(settings), define);
}

inFirefox('a private browser', { 'browser.privatebrowsing.autostart': true, 'network.dns.localDomains': PLAIN_HOST }, (scenario) => {
  scenario('has no files in a private window, and keeps the database in IndexedDB', async (stage) => {
    const page = await stage.page();
    await openIn(page);
    await page.run(async () => void (await db.tables.things.insert({ label: 'here' })));
    await reload(page);
    await openIn(page);
    const seen = await page.run(async () => ({ tier: db.storage.getSnapshot().tier, rows: await db.tables.things.count() }));
    assert.deepEqual(seen, { tier: 'indexeddb', rows: 1 });
    await page.run(() => db.delete());
  });

  scenario('has nothing but memory on plain HTTP, and says so where that is not allowed', async (stage) => {
    const page = await stage.page(undefined, `http://${PLAIN_HOST}:${stage.server.port}`);
    const seen = await page.run(async () => {
      const refused = await sdk.failure(() => sdk.openDatabase().ready);
      const allowed = sdk.openDatabase({ name: 'allowed', storage: ['opfs', 'memory'] });
      await allowed.tables.things.insert({ label: 'here' });
      return { isSecureContext, code: refused?.code, tier: allowed.storage.getSnapshot().tier, rows: await allowed.tables.things.count() };
    });
    assert.deepEqual(seen, { isSecureContext: false, code: 'InsecureContext', tier: 'memory', rows: 1 });
  });
});

inFirefox('blocked site data', { 'network.cookie.cookieBehavior': 2 }, (scenario) => {
  scenario('is an error that says so, or memory where that is allowed, with a warning', async (stage) => {
    const page = await stage.page();
    const seen = await page.run(async () => {
      const blocked = sdk.openDatabase();
      const failure = await sdk.failure(() => blocked.ready);
      const call = await sdk.failure(() => blocked.tables.things.count());
      const allowed = sdk.openDatabase({ name: 'allowed', user: 'ann', online: false, storage: ['opfs', 'indexeddb', 'memory'] });
      const warned = new Promise((resolve) => allowed.on('storage-not-persisted', ({ tier, evictable }) => resolve({ tier, evictable })));
      await allowed.tables.lists.insert({ name: 'x', owner_id: 'ann' });
      return { code: failure?.code, says: /allow site data/.test(failure?.message ?? ''), call: call?.code, warned: await warned };
    });
    assert.deepEqual(seen, { code: 'StorageUnavailable', says: true, call: 'StorageUnavailable', warned: { tier: 'memory', evictable: true } });
  });
});
