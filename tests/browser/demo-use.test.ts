// The demo in the hands of a person: editing, undoing, filtering, keys, dragging, a phone.

import assert from 'node:assert/strict';
import type { Demo } from './demo.js';
import { converged, inEveryBrowser } from './stage.js';

inEveryBrowser('the demo in use', (scenario) => {
  scenario('editing in place: titles, notes, names of lists', async (stage) => {
    const [ann, ben] = await stage.pair('Groceries');
    await ann.addTodo('Milk');
    await ann.edit('Milk', 'Oat milk');
    await ann.page.hover(await ann.row('Oat milk'));
    await ann.page.click(await ann.row('Oat milk', '[title=Note]'));
    await ann.page.type('Two litres');
    await ann.page.press('Control+Enter');
    await ben.hasTodo('Oat milk');
    await ben.page.until('the note', () => document.querySelector('.todo .note')?.textContent === 'Two litres');
    await ben.page.click('.pane-title .title');
    await ben.page.run(() => document.querySelector<HTMLTextAreaElement>('.pane-title .editor')?.select());
    await ben.page.type('Market');
    await ben.page.press('Enter');
    await ann.shows('Market');
    await ann.page.click(await ann.row('Oat milk', '.title'));
    await ann.page.type(' and more');
    await ann.page.press('Escape');
    await ann.showsTodos(['Oat milk']);
  });

  scenario('a todo that is deleted elsewhere while it is edited can be kept, with the edit', async (stage) => {
    const [ann, ben] = await stage.pair('Contested');
    await ann.addTodo('Draft');
    await ben.page.click(await ben.row('Draft', '.title'));
    await ben.page.type(', improved');
    // Without bringing Ann's window to the front: that would end Ben's editing.
    await ann.page.run((button) => document.querySelector<HTMLElement>(button)?.click(), await ann.row('Draft', '[title=Delete]'));
    await ben.toast('was deleted meanwhile');
    await ben.page.click('.toast-action');
    await converged(ann, ben, ['Draft, improved']);
  });

  scenario('deletions are taken back: a todo, the completed ones, a list with its todos', async (stage) => {
    const [ann, ben] = await stage.pair('Trip');
    for (const title of ['Tent', 'Stove', 'Map']) await ann.addTodo(title);
    await ann.remove('Stove');
    await ann.showsTodos(['Tent', 'Map']);
    await ann.page.click('.toast-action');
    await ann.showsTodos(['Tent', 'Stove', 'Map']);

    await ann.toggle('Tent');
    await ann.toggle('Map');
    await ann.page.click('.clear');
    await ann.showsTodos(['Stove']);
    await ann.page.press('Control+z');
    await ann.showsTodos(['Tent', 'Stove', 'Map']);

    await ann.page.hover('.list');
    await ann.page.click('.list [title=Delete]');
    await ann.page.until('the welcome', () => document.querySelector('.welcome') !== null);
    await ann.page.click('.toast-action');
    await ann.showsTodos(['Tent', 'Stove', 'Map']);
    await ann.settled();
    await ben.chooseList('Trip');
    await converged(ann, ben, ['Tent', 'Stove', 'Map']);
  });

  scenario('the filter shows what is active, what is done, and survives a reload', async (stage) => {
    const ann = await stage.window(stage.server.url);
    await ann.addList('Chores');
    for (const title of ['Sweep', 'Dust', 'Iron']) await ann.addTodo(title);
    await ann.toggle('Dust');
    await ann.page.click('[data-filter=active]');
    await ann.showsTodos(['Sweep', 'Iron']);
    await ann.page.click('[data-filter=done]');
    await ann.showsTodos(['Dust']);
    await ann.page.reload();
    await ann.showsTodos(['Dust']);
    await ann.toggle('Dust');
    await ann.showsTodos([]);
    await ann.page.click('[data-filter=all]');
    await ann.showsTodos(['Sweep', 'Dust', 'Iron']);
  });

  scenario('everything by keyboard', async (stage) => {
    const [ann, ben] = await stage.pair('Keys');
    await ann.page.press('Escape');
    await ann.page.press('a');
    for (const title of ['One', 'Two', 'Three']) {
      await ann.page.type(title);
      await ann.page.press('Enter');
      await ann.hasTodo(title);
    }
    await ann.page.press('ArrowDown');
    await ann.page.press('Alt+ArrowDown');
    await ann.showsTodos(['Two', 'One', 'Three']);
    await ann.page.press('Alt+ArrowDown');
    await ann.showsTodos(['Two', 'Three', 'One']);
    await ann.settled();
    await ben.showsTodos(['Two', 'Three', 'One']);
    await ann.page.press('ArrowUp');
    await ann.page.press('Space');
    await ann.page.until('Three to be done', () => document.querySelectorAll('.todo')[1]?.hasAttribute('data-done'));
    await ann.page.press('Enter');
    await ann.page.type('!');
    await ann.page.press('Enter');
    await ann.showsTodos(['Two', 'Three!', 'One']);
    await ann.page.press('Delete');
    await ann.showsTodos(['Two', 'One']);
    await ann.page.press('Control+z');
    await ann.showsTodos(['Two', 'Three!', 'One']);
    await ann.page.press('2');
    await ann.showsTodos(['Two', 'One']);
    await ann.page.press('?');
    await ann.page.until('the help', () => document.querySelector('dialog[open] .shortcuts') !== null);
    await ann.page.press('Escape');
    await ann.page.press('o');
    await ann.connection('offline');
  });

  scenario('dragging changes the order in both windows', async (stage) => {
    const [ann, ben] = await stage.pair('Order');
    for (const title of ['First', 'Second', 'Third']) await ann.addTodo(title);
    await ann.page.hover(await ann.row('First'));
    await ann.page.drag(await ann.row('First', '.grip'), await ann.row('Third', '.grip'));
    await ann.showsTodos(['Second', 'Third', 'First']);
    await ben.showsTodos(['Second', 'Third', 'First']);
    await ann.page.reload();
    await ann.showsTodos(['Second', 'Third', 'First']);
  });

  scenario('on a phone nothing is wider than the screen, and the lists come from the side', async (stage) => {
    const ann = await stage.window(stage.server.url, undefined, { width: 360, height: 700 });
    await ann.ready();
    await fits(ann);
    await ann.addList('Phone');
    await ann.addTodo('A todo with averyveryverylongwordthatcannotbebrokenanywhereatallbutmustfitnevertheless');
    await ann.addTodo('Another');
    await fits(ann);
    await ann.page.click('.menu-button');
    await ann.page.until('the lists to slide in', () => (document.querySelector('.sidebar')?.getBoundingClientRect().left ?? -1) === 0);
    await fits(ann);
    await ann.page.click('.list-link');
    await ann.page.until('the lists to be put away', () => !document.querySelector('.layout')?.classList.contains('menu-open'));
    await ann.page.click('.badge');
    await ann.page.until('the panel', () => document.querySelector('dialog[open]') !== null);
    await fits(ann);
  });

  scenario('the appearance can be chosen, and stays chosen', async (stage) => {
    const ann = await stage.window(stage.server.url);
    await ann.ready();
    const paper = () => getComputedStyle(document.documentElement).backgroundColor;
    await ann.page.click('.appearance');
    const light = await ann.page.run(paper);
    await ann.page.click('.appearance');
    const dark = await ann.page.run(paper);
    assert.notEqual(light, dark);
    await ann.page.reload();
    await ann.ready();
    assert.equal(await ann.page.run(paper), dark);
  });
});

async function fits(demo: Demo): Promise<void> {
  const [content, screen] = await demo.page.run(() => [document.documentElement.scrollWidth, window.innerWidth] as const);
  assert.ok(content <= screen, `the page is ${content} px wide on a screen of ${screen} px`);
}
