// What stands in the place of the todos while the database cannot be opened, or is of a newer release.

import { h } from '../element.js';
import { icon } from '../icon.js';

export function outdatedCover(): HTMLElement {
  return cover('A newer version runs in another tab', 'Nothing is lost. Reload this tab to go on with the newer version.', reloadButton());
}

export function openingCover(): HTMLElement {
  return h('main', { class: 'cover cover-opening', 'aria-busy': 'true' }, h('p', { role: 'status' }, 'Opening…'));
}

export function failedCover(text: string): HTMLElement {
  return cover('The todos could not be opened', text, reloadButton(), h('a', { class: 'button', href: 'self-test.html' }, 'Test this browser'));
}

function reloadButton(): HTMLElement {
  return h('button', { class: 'button button-primary', type: 'button', on: { click: () => location.reload() } }, 'Reload');
}

function cover(title: string, text: string, ...actions: HTMLElement[]): HTMLElement {
  const card = h(
    'div',
    { class: 'cover-card', role: 'status' },
    h('div', { class: 'cover-mark' }, icon('anchor')),
    h('h1', {}, title),
    h('p', {}, text),
    ...actions,
  );
  return h('main', { class: 'cover' }, card);
}
