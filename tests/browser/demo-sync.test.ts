// What the demo is for: windows that are offline, servers that are away, and everything is there in the end.

import assert from 'node:assert/strict';
import { Wire } from './network.js';
import { pause } from './server.js';
import { converged, inEveryBrowser, share } from './stage.js';

/** Long enough for something to arrive that must not. */
const QUIET_MS = 700;

inEveryBrowser('the demo and its network', (scenario, browser) => {
  scenario('two windows, one switched offline, both write, and converge when it is online again', async (stage) => {
    const [ann, ben] = await stage.pair('Groceries');
    await ben.setOffline(true);
    await ann.addTodo('Milk');
    await ben.addTodo('Bread');
    await ben.addTodo('Salt');
    await ben.toggle('Bread');
    await ben.pending(3);
    await ann.settled();
    await pause(QUIET_MS);
    assert.deepEqual(await ann.titles(), ['Milk'], 'what is written offline stays there');
    assert.deepEqual(await ben.titles(), ['Bread', 'Salt'], 'what is offline hears nothing');

    await ben.setOffline(false);
    await converged(ann, ben, ['Milk', 'Bread', 'Salt']);
    assert.equal((await ann.todos()).find((todo) => todo.title === 'Bread')?.done, true);
  });

  scenario('a wire that is cut, and both windows write meanwhile', async (stage) => {
    stage.breaksNetwork = true;
    const wire = await Wire.to(stage.server.port);
    try {
      const ann = await stage.window(stage.server.url);
      const ben = await stage.window(wire.url);
      await share(ann, ben, 'Boat');
      wire.break();
      await ben.addTodo('Sand the tiller');
      await ann.addTodo('Order halyards');
      await ben.pending(1);
      await ann.settled();
      await pause(QUIET_MS);
      assert.deepEqual(await ann.titles(), ['Order halyards'], 'the wire must be cut');
      wire.mend();
      await converged(ann, ben, ['Sand the tiller', 'Order halyards']);
    } finally {
      await wire.remove();
    }
  });

  if (browser === 'chromium') {
    scenario("the browser's own emulation of a network that is away", async (stage) => {
      stage.breaksNetwork = true;
      const profile = await stage.profile();
      const ann = await stage.window(stage.server.url);
      const ben = await stage.window(stage.server.url, profile);
      await share(ann, ben, 'Boat');
      await profile.setOffline(true);
      await ben.addTodo('Check the bilge pump');
      await ann.addTodo('Renew the flares');
      await ann.settled();
      await pause(QUIET_MS);
      await ben.pending(1);
      assert.deepEqual(await ann.titles(), ['Renew the flares'], 'the emulation must have cut the connection');
      await profile.setOffline(false);
      await converged(ann, ben, ['Check the bilge pump', 'Renew the flares']);
    });
  }

  scenario('a reload with pending writes keeps them, and keeps the switch', async (stage) => {
    const [ann, ben] = await stage.pair('Reading');
    await ben.setOffline(true);
    await ben.addTodo('The Wager');
    await ben.addTodo('Longitude');
    await ben.page.reload();
    await ben.ready();
    await ben.showsTodos(['The Wager', 'Longitude']);
    await ben.pending(2);
    await ben.connection('offline');
    assert.deepEqual(await ann.titles(), []);
    await ben.setOffline(false);
    await converged(ann, ben, ['The Wager', 'Longitude']);
  });

  scenario('the built demo reloads with the server stopped, and still shows and accepts todos', async (stage) => {
    stage.breaksNetwork = true;
    const [ann, ben] = await stage.pair('Offline');
    await ben.addTodo('Before');
    await ben.settled();
    await ben.keptOffline();
    await stage.server.stop();
    await ben.page.reload();
    await ben.ready();
    await ben.showsTodos(['Before']);
    await ben.addTodo('While it is away');
    await ben.page.reload();
    await ben.ready();
    await ben.showsTodos(['Before', 'While it is away']);
    await ben.pending(1);
    await ben.page.until('the badge to say that it is offline', () => document.querySelector('.badge-label')?.textContent === 'Offline');
    await stage.server.run();
    await converged(ann, ben, ['Before', 'While it is away']);
  });

  scenario('a server that is killed with -9 in the middle of writes loses none and doubles none', async (stage) => {
    stage.breaksNetwork = true;
    const [ann, ben] = await stage.pair('Crash');
    const titles = Array.from({ length: 12 }, (_, n) => `Todo ${n + 1}`);
    for (const title of titles.slice(0, 4)) await ben.addTodo(title);
    const writing = (async () => {
      for (const title of titles.slice(4)) await ben.addTodo(title);
    })();
    await stage.server.kill();
    await writing;
    await ann.addTodo('From the other side');
    await stage.server.run();
    await converged(ann, ben, [...titles, 'From the other side']);
  });

  scenario('a refused write is shown with its reason, and can be discarded', async (stage) => {
    const [ann, ben] = await stage.pair('Short-lived');
    await ben.setOffline(true);
    await ben.addTodo('Too late');
    await ann.page.hover('.list');
    await ann.page.click('.list [title=Delete]');
    await ann.page.until('the welcome', () => document.querySelector('.welcome') !== null);
    await ann.settled();
    await ben.setOffline(false);
    await ben.toast('refused 1 change');
    await ben.page.click('.badge');
    const refused = () => document.querySelector('[data-kind=rejected]')?.textContent;
    const text = await ben.page.until('the refused write in the panel', refused);
    assert.match(text ?? '', /Added “Too late”/);
    assert.match(text ?? '', /its list is gone, or no longer shared with you/);
    await ben.page.click('[data-kind=rejected] .button-quiet');
    await ben.page.until('no refused write', () => document.querySelector<HTMLElement>('.badge')?.dataset.rejected === '0');
    await ben.page.press('Escape');
    await ben.page.until('the welcome', () => document.querySelector('.welcome') !== null);
  });

  scenario('a refused write is tried again when what it needs is back', async (stage) => {
    const [ann, ben] = await stage.pair('Brief');
    await ben.setOffline(true);
    await ben.addTodo('Needs its list');
    await ann.page.hover('.list');
    await ann.page.click('.list [title=Delete]');
    await ann.page.until('the welcome', () => document.querySelector('.welcome') !== null);
    await ann.settled();
    await ben.setOffline(false);
    await ben.toast('refused 1 change');
    await ann.page.click('.toast-action');
    await ben.hasList('Brief');
    await ben.page.click('.badge');
    await ben.page.click('[data-kind=rejected] .button:not(.button-quiet)');
    await ben.page.until('no refused write', () => document.querySelector<HTMLElement>('.badge')?.dataset.rejected === '0');
    await ben.page.press('Escape');
    await converged(ann, ben, ['Needs its list']);
  });
});
