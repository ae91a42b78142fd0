// What stands in the place of the todos while the database is not this tab's, or cannot be opened.

import { h } from '../element.js';
import { icon } from '../icon.js';

export function otherTabCover(): HTMLElement {
  return cover('Open in another tab', 'Your todos are open in another tab of this browser. This tab takes over when that one closes.');
}

export function openingCover(): HTMLElement {
  return h('main', { class: 'cover cover-opening', 'aria-busy': 'true' }, h('p', { role: 'status' }, 'Opening…'));
}

export function failedCover(text: string): HTMLElement {
  const reload = h('button', { class: 'button button-primary', type: 'button', on: { click: () => location.reload() } }, 'Reload');
  return cover('The todos could not be opened', text, reload);
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
