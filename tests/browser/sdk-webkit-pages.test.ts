// WebKit with two pages, and with a page that is left and come back to.

import assert from 'node:assert/strict';
import { inBrowser, loaded, openIn } from './sdk-stage.js';
import { launchWebKit } from './webkit.js';

inBrowser('the pages', 'webkit', launchWebKit, (scenario) => {
  scenario('a page that comes back from the back-forward cache goes on, and every write that was under way counts once', async (stage) => {
    const page = await stage.page();
    await openIn(page, { user: 'ann', online: false });
    await page.run(() => sdk.countOn('counter', 'ann'));
    await page.until('writes to be answered', () => sdk.life.answered > 5);
    await page.goto(`${stage.server.url}/?elsewhere`);
    await loaded(page);
    assert.equal(await page.run(() => sdk.life.answered), 0, 'it must be another page');
    await page.run(() => void setTimeout(() => history.back(), 0));
    await page.until('the page that was kept', () => sdk.life.events.at(-1) === 'pageshow, persisted' && sdk.life.answered > 5);
    const before = await page.run(() => sdk.life.answered);
    await page.until('writes to be answered again', (count) => sdk.life.answered > count + 5, before);
    await page.run(() => void Object.assign(sdk.life, { enough: true }));
    await page.until('the last answers', () => sdk.life.lanes === 0);
    const { counted, answered } = await page.run(async () => ({ counted: (await db.tables.lists.get('counter'))?.position, answered: sdk.life.answered }));
    assert.equal(counted, answered);
  });

  scenario('one of two pages holds the lock of the database, the other waits for it, and has it when the first is gone', async (stage) => {
    const profile = await stage.profile();
    const [first, second] = [await stage.page(profile), await stage.page(profile)];
    await openIn(first);
    await openIn(second);
    const locks = () =>
      second.run(async () => {
        const { held, pending } = await navigator.locks.query();
        const count = (list: LockInfo[] | undefined) => list?.filter(({ name }) => name === 'seaworthy:test').length;
        return { held: count(held), pending: count(pending), owner: db.status.getSnapshot().owner };
      });
    assert.deepEqual(await locks(), { held: 1, pending: 1, owner: 'other-tab' });
    await first.close();
    await second.until('the tab to own the database', () => db.status.getSnapshot().owner === 'this-tab');
    assert.deepEqual(await locks(), { held: 1, pending: 0, owner: 'this-tab' });
  });
});
