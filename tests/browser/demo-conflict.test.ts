// Two windows that change the same todo: what can be merged is, and the rest is a question on a card.

import assert from 'node:assert/strict';
import { pause } from './server.js';
import { inEveryBrowser } from './stage.js';

const QUIET_MS = 500;

inEveryBrowser('the demo and its conflicts', (scenario) => {
  scenario('different words for one todo are asked about, after a reload too, and the choice reaches both windows', async (stage) => {
    const [ann, ben] = await stage.pair('Groceries');
    await ann.addTodo('Milk');
    await ben.hasTodo('Milk');
    await ben.setOffline(true);
    await ben.edit('Milk', 'Oat milk');
    await ann.edit('Milk', 'Soy milk');
    await ann.toggle('Soy milk');
    await ann.settled();
    await ben.setOffline(false);
    await ben.asksAbout('Soy milk');
    assert.deepEqual(await ben.versions(), ['Oat milk', 'Soy milk']);
    assert.deepEqual(await ben.todos(), [{ title: 'Soy milk', done: true }], 'what the server has is shown meanwhile');

    await ben.page.reload();
    await ben.ready();
    await ben.asksAbout('Soy milk');
    assert.deepEqual(await ben.versions(), ['Oat milk', 'Soy milk'], 'the question survives');
    await ben.page.click('.conflict-version:first-child .button');
    for (const window of [ann, ben]) await window.hasTodo('Oat milk');
    await ben.settled();
    assert.deepEqual(await ann.todos(), [{ title: 'Oat milk', done: true }], 'the other window’s tick stays');
    await ben.page.until('no card', () => document.querySelector('.conflict') === null);
    await ben.page.until('nothing refused', () => document.querySelector<HTMLElement>('.badge')?.dataset.rejected === '0');
  });

  scenario('changes that do not collide are merged without a question', async (stage) => {
    const [ann, ben] = await stage.pair('Groceries');
    await ann.addTodo('Milk');
    await ben.hasTodo('Milk');
    await ben.setOffline(true);
    await ben.toggle('Milk');
    await ann.edit('Milk', 'Soy milk');
    await ann.settled();
    await ben.setOffline(false);
    const both = () =>
      document.querySelector('.todo .title-text')?.textContent === 'Soy milk' && document.querySelector<HTMLInputElement>('.todo .tick')?.checked;
    for (const window of [ann, ben]) await window.page.until('both changes', both);
    await ben.settled();
    await pause(QUIET_MS);
    assert.equal(await ben.page.run(() => document.querySelector('.conflict, .toast')), null);
  });
});
