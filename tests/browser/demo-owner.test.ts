// Whose database it is: every tab's, one user's for good, and of one release of the application.

import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
// @ts-expect-error a plain JavaScript module of the build
import { buildDemo } from '../../www/build.mjs';
import { TestServer } from './server.js';
import { inEveryBrowser } from './stage.js';

inEveryBrowser('the demo and its owners', (scenario) => {
  scenario('two tabs show the same todos at once, and the second goes on when the first closes', async (stage) => {
    const profile = await stage.profile();
    const first = await stage.window(stage.server.url, profile);
    await first.addList('Shared');
    await first.addTodo('From the first tab');
    const second = await stage.window(stage.server.url, profile);
    await second.ready();
    await second.showsTodos(['From the first tab']);
    await second.addTodo('From the second tab');
    await first.showsTodos(['From the first tab', 'From the second tab']);
    await first.page.close();
    await second.addTodo('Alone');
    await second.showsTodos(['From the first tab', 'From the second tab', 'Alone']);
    await second.settled();
  });

  scenario('users do not mix, and signing out says what has not been sent', async (stage) => {
    const ann = await stage.window(stage.server.url);
    await ann.addList('Mine');
    await ann.addTodo('Secret');
    await ann.settled();
    await ann.setOffline(true);
    await ann.addTodo('Unsent');
    await ann.page.click('.account');
    await ann.page.until('a warning', () => document.querySelector('.account-warning')?.textContent?.includes('1 change has not reached the server'));
    await ann.page.click('dialog[open] .dialog-actions .button');
    await ann.page.until('the sign-in', () => document.querySelector('[name=user]') !== null);
    await ann.page.fill('[name=user]', 'other');
    await ann.page.press('Enter');
    await ann.page.until('the welcome', () => document.querySelector('.welcome') !== null);
    await ann.page.click('.account');
    await ann.page.click('dialog[open] .dialog-actions .button');
    await ann.page.until('the sign-in', () => document.querySelector('[name=user]') !== null);
    await ann.page.press('Enter');
    await ann.showsTodos(['Secret', 'Unsent']);
    await ann.pending(1);
    await ann.setOffline(false);
    await ann.settled();
  });

  scenario('a new release is fetched in the background, is offered, and takes over whole', async (stage) => {
    const www = await mkdtemp(path.join(tmpdir(), 'seaworthy-www-'));
    const packageDir = path.resolve('dist');
    const older: { release: string } = await buildDemo({ packageDir, outDir: www, minify: true });
    const server = await TestServer.ofDemo({ www });
    try {
      const ann = await stage.window(server.url);
      await ann.addList('Kept');
      await ann.addTodo('From the older release');
      await ann.settled();
      await ann.keptOffline();
      const newer: { release: string } = await buildDemo({ packageDir, outDir: www, minify: false });
      assert.notEqual(newer.release, older.release);
      await ann.page.run(async () => void (await (await navigator.serviceWorker.ready).update()));
      await ann.toast('A new version is ready');
      await ann.addTodo('Still in the older release');
      await ann.page.click('.toast-action');
      const scripts = () => [...document.scripts].map((script) => script.getAttribute('src')?.split('/')[0]);
      await ann.page.until('the newer release', (release) => document.querySelector(`script[src^="${release}/"]`) !== null, newer.release);
      await ann.showsTodos(['From the older release', 'Still in the older release']);
      await server.stop();
      stage.breaksNetwork = true;
      await ann.page.reload();
      await ann.showsTodos(['From the older release', 'Still in the older release']);
      assert.deepEqual(await ann.page.run(scripts), [newer.release, newer.release]);
    } finally {
      await server.remove();
      await rm(www, { recursive: true, force: true });
    }
  });
});
