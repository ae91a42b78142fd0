// The frame around the todos: the lists beside them, or behind a button on a phone, and the bar with the badge.

import { h, setAttribute } from '../element.js';
import { icon } from '../icon.js';

export class Frame {
  readonly node: HTMLElement;
  readonly main = h('main', { class: 'main' });
  private readonly menuButton: HTMLButtonElement;

  constructor(
    private readonly sidebar: HTMLElement,
    badge: HTMLElement,
    notices: readonly HTMLElement[],
    ...dialogs: HTMLElement[]
  ) {
    const label = { 'aria-label': 'Lists', 'aria-controls': 'sidebar', 'aria-expanded': 'false' };
    this.menuButton = h('button', { class: 'tool menu-button', type: 'button', ...label, on: { click: () => this.showMenu(true) } }, icon('menu'));
    const scrim = h('div', { class: 'scrim', on: { click: () => this.showMenu(false) } });
    const page = h('div', { class: 'page' }, h('div', { class: 'top-bar' }, this.menuButton, badge), ...notices, this.main);
    this.node = h('div', { class: 'layout' }, sidebar, scrim, page, ...dialogs);
  }

  /** Slides the lists in or out, where they are not beside the todos anyway. */
  showMenu(open: boolean): void {
    const had = this.node.classList.contains('menu-open');
    this.node.classList.toggle('menu-open', open);
    setAttribute(this.menuButton, 'aria-expanded', open ? 'true' : 'false');
    if (open) this.sidebar.querySelector<HTMLElement>('a, input')?.focus();
    else if (had && this.sidebar.contains(document.activeElement)) this.menuButton.focus();
  }
}
