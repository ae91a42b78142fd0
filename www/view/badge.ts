// How the synchronisation stands, in a few words. It opens the panel that says more.

import type { Status } from 'seaworthy';
import { h, setAttribute, setText } from '../element.js';
import { briefly, toneOf, waiting } from '../wording.js';

export class Badge {
  readonly node: HTMLButtonElement;
  private readonly label = h('span', { class: 'badge-label' });
  private readonly detail = h('span', { class: 'badge-detail' });

  constructor(open: () => void) {
    this.node = h(
      'button',
      { class: 'badge', type: 'button', 'aria-haspopup': 'dialog', on: { click: open } },
      h('span', { class: 'badge-dot' }),
      this.label,
      this.detail,
    );
  }

  update(status: Status, switchedOff: boolean, questions: number, now: number): void {
    setText(this.label, briefly(status, switchedOff));
    setText(this.detail, questions > 0 ? `${questions} to decide` : waiting(status, now));
    setAttribute(this.node, 'data-tone', toneOf(status));
    setAttribute(this.node, 'data-connection', status.connection);
    setAttribute(this.node, 'data-pending', status.pending);
    setAttribute(this.node, 'data-rejected', status.rejected);
  }
}
