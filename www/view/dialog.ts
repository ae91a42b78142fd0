// A modal panel on the platform's own dialog: it holds the focus, closes with Escape, with its button and by a click beside it.

import { type Child, h } from '../element.js';
import { icon } from '../icon.js';

export class Dialog {
  readonly node: HTMLDialogElement;

  constructor(title: string, kind: 'panel' | 'card', ...children: Child[]) {
    const id = `dialog-${title.toLowerCase().replace(/\W+/g, '-')}`;
    const close = h('button', { class: 'tool', type: 'button', 'aria-label': 'Close', on: { click: () => this.close() } }, icon('close'));
    this.node = h(
      'dialog',
      { class: `dialog dialog-${kind}`, 'aria-labelledby': id },
      h('div', { class: 'dialog-inside' }, h('header', { class: 'dialog-head' }, h('h2', { id }, title), close), ...children),
    );
    this.node.addEventListener('click', (event) => event.target === this.node && this.close());
  }

  get isOpen(): boolean {
    return this.node.open;
  }

  open(): void {
    if (!this.node.open) this.node.showModal();
  }

  close(): void {
    this.node.close();
  }
}
