// Lists that users share: who is invited sees them, who is taken out does not, and nobody's words are lost in silence.

import assert from 'node:assert/strict';
import type { Demo } from './demo.js';
import { Wire } from './network.js';
import { pause } from './server.js';
import { converged, inEveryBrowser, type Stage } from './stage.js';

/** Long enough for something to arrive that must not. */
const QUIET_MS = 500;

/** Ann shares a list that has todos with Ben, and Ben looks at it. */
async function sharing(stage: Stage, list: string, todos: readonly string[]): Promise<[Demo, Demo]> {
  const [ann, ben] = [await stage.person('ann'), await stage.person('ben')];
  await ben.ready();
  await ann.addList(list);
  for (const todo of todos) await ann.addTodo(todo);
  await ann.settled();
  await ben.settled();
  assert.equal(await ben.page.run(() => document.querySelector('.list')), null, 'before the invitation Ben sees nothing');
  await ann.invite('ben');
  await ben.toast(`ann shares “${list}” with you.`);
  await ben.page.click('.toast-action');
  await ben.shows(list);
  await ben.showsTodos(todos);
  return [ann, ben];
}

inEveryBrowser('the demo and its shared lists', (scenario) => {
  scenario('an invitation brings the list with its todos to the other screen, both write in it, and it goes with a word why', async (stage) => {
    const [ann, ben] = await sharing(stage, 'Boat', ['Ropes', 'Sails']);
    await ann.sharing('Shared with ben');
    await ben.sharing('Shared by ann');
    await ben.addTodo('Anchor');
    await ben.toggle('Ropes');
    await ann.hasTodo('Anchor');
    await ann.edit('Anchor', 'Two anchors');
    await converged(ann, ben, ['Ropes', 'Sails', 'Two anchors']);
    assert.deepEqual(await ann.authors(), { 'Two anchors': 'ben' });
    assert.deepEqual(await ben.authors(), { Ropes: 'ann', Sails: 'ann' });
    assert.equal((await ann.todos()).find(({ title }) => title === 'Ropes')?.done, true);
    assert.equal(
      await ben.page.run(() => document.querySelector('.pane-title button, .list [title=Delete], .archive-list:not([hidden])')),
      null,
      'only the owner renames, deletes, archives',
    );

    await ben.page.reload();
    await ben.shows('Boat');
    await ben.showsTodos(['Ropes', 'Sails', 'Two anchors']);
    await ann.page.hover('.list');
    await ann.page.click('.list [title=Delete]');
    await ben.lacksList('Boat');
    await ann.page.click('.toast-action');
    await ben.chooseList('Boat');
    await ben.showsTodos(['Ropes', 'Sails', 'Two anchors']);
    await ann.sharing('Shared with ben');

    await ann.takeOut('ben');
    await ben.toast('“Boat” is no longer shared with you.');
    await ben.lacksList('Boat');
    await ben.page.until('the welcome', () => document.querySelector('.welcome') !== null);
    await ann.sharing('Share');
    await ann.addTodo('Compass');
    await ann.invite('ben');
    await ben.chooseList('Boat');
    await ben.showsTodos(['Ropes', 'Sails', 'Two anchors', 'Compass']);
  });

  scenario('what was written while one was taken out is refused, with a word why, and kept', async (stage) => {
    const [ann, ben] = await sharing(stage, 'Boat', ['Ropes', 'Sails']);
    await ben.addList('Own');
    await ben.chooseList('Boat');
    await ben.setOffline(true);
    await ben.addTodo('Anchor');
    await ben.edit('Ropes', 'New ropes');
    await ben.pending(2);
    await ann.takeOut('ben');
    await ann.settled();
    await ben.setOffline(false);
    await ben.toast('“Boat” is no longer shared with you.');
    await ben.shows('Own');
    await ben.toast('2 changes of yours came too late');
    const refused = await ben.refused(2);
    assert.match(refused.join('\n'), /Added “Anchor”\n[^\n]*no longer shared with you/);
    assert.match(refused.join('\n'), /“New ropes”\n[^\n]*no longer shared with you/);
    assert.equal(await ben.page.run(() => document.querySelector('.conflict')), null, 'nothing is asked that has no answer');
    assert.deepEqual(await ann.titles(), ['Ropes', 'Sails']);
  });

  scenario('an invitation that was made offline arrives later, and whoever leaves is gone', async (stage) => {
    const [ann, ben] = [await stage.person('ann'), await stage.person('ben')];
    await ann.addList('Boat');
    await ann.addTodo('Ropes');
    await ann.settled();
    await ann.setOffline(true);
    await ann.invite('ben');
    await ann.pending(1);
    await ben.ready();
    await ben.settled();
    await pause(QUIET_MS);
    await ben.lacksList('Boat');
    await ann.setOffline(false);
    await ben.chooseList('Boat');
    await ben.showsTodos(['Ropes']);

    await ben.setOffline(true);
    await ben.page.click('.share');
    await ben.page.click('.share-leave .button');
    await ben.toast('You left “Boat”.');
    await ben.lacksList('Boat');
    await ann.sharing('Shared with ben');
    await ben.setOffline(false);
    await ann.sharing('Share');
    await ben.settled();
    await ben.lacksList('Boat');
  });

  scenario('the first synchronisation says that it is under way', async (stage) => {
    stage.breaksNetwork = true;
    const ann = await stage.person('ann');
    await ann.addList('Boat');
    await ann.addTodo('Ropes');
    await ann.settled();
    const wire = await Wire.to(stage.server.port);
    try {
      const fresh = await stage.person('ann', { url: wire.url, offline: true });
      await fresh.page.until('the welcome', () => document.querySelector('.welcome-form') !== null);
      wire.hold();
      await fresh.setOffline(false);
      await fresh.page.until('a word of it', () => document.querySelector('.arriving .progress-text')?.textContent === 'Fetching what is yours…');
      wire.release();
      await fresh.shows('Boat');
      await fresh.showsTodos(['Ropes']);
      await fresh.page.until('it to be over', () => document.querySelector('.arriving, .arrival-strip:not([hidden])') === null);
    } finally {
      await wire.remove();
    }
  });

  scenario('a list in the archive is fetched when it is looked at, and can be brought back', async (stage) => {
    const [ann, ben] = await sharing(stage, 'Boat', ['Ropes', 'Sails']);
    await ann.page.click('.archive-list');
    await ann.toast('“Boat” is in the archive');
    await ben.page.until('the list in the archive', () => document.querySelector('.pane-archived:not([hidden])') !== null);
    await ben.showsTodos(['Ropes', 'Sails']);
    await ann.settled();

    const fresh = await stage.person('ann');
    await fresh.page.until('the archive', () => document.querySelector('.archive-label')?.textContent === 'Archive (1)');
    await fresh.settled();
    await pause(QUIET_MS);
    assert.equal(await fresh.page.run(() => document.querySelector('.archive .list-count')?.textContent), '', 'its todos are not on a new device');
    await fresh.page.click('.archive-label');
    await fresh.page.click('.archive .list-link');
    await fresh.showsTodos(['Ropes', 'Sails']);
    await fresh.addTodo('Anchor');
    await ben.hasTodo('Anchor');
    await fresh.page.click('.pane-archived .button');
    for (const window of [ann, ben, fresh]) await window.page.until('the list in use', () => document.querySelector('.archive .list') === null);
    await converged(ann, ben, ['Ropes', 'Sails', 'Anchor']);
  });
});
