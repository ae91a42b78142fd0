// Who is signed in, and the way out. Leaving says what has not reached the server yet.

import { h, setText } from '../element.js';
import { count } from '../wording.js';
import { type Copied, Copies } from './copies.js';
import { Dialog } from './dialog.js';

export interface AccountActions {
  signOut(removeData: boolean): void;
}

export class Account {
  readonly dialog: Dialog;
  private readonly warning = h('p', { class: 'account-warning', role: 'alert' });
  private readonly remove = h('input', { type: 'checkbox', class: 'tick-small', name: 'remove', on: { change: () => this.update(this.pending) } });
  private readonly button: HTMLButtonElement;
  private readonly copies: Copies;
  private pending = 0;

  constructor(
    private readonly user: string,
    db: Copied,
    actions: AccountActions,
  ) {
    this.copies = new Copies(db, user);
    this.button = h('button', { class: 'button', type: 'button', on: { click: () => actions.signOut(this.remove.checked) } }, 'Sign out');
    this.dialog = new Dialog(
      'Account',
      'card',
      h('p', {}, 'Signed in as ', h('strong', {}, user), '.'),
      this.copies.node,
      h('label', { class: 'check-row' }, this.remove, h('span', {}, 'Also remove these todos from this device')),
      this.warning,
      h('div', { class: 'dialog-actions' }, this.button),
    );
  }

  open(pending: number): void {
    this.remove.checked = false;
    this.copies.reset();
    this.update(pending);
    this.dialog.open();
  }

  private update(pending: number): void {
    this.pending = pending;
    const remove = this.remove.checked;
    const changes = `${count(pending, 'change')} ${pending === 1 ? 'has' : 'have'} not reached the server.`;
    const kept = `They stay on this device and are sent when ${this.user} signs in here again.`;
    setText(this.warning, pending === 0 ? '' : `${changes} ${remove ? 'Removing them from this device loses them for good.' : kept}`);
    this.warning.hidden = pending === 0;
    this.button.classList.toggle('button-danger', remove && pending > 0);
    setText(this.button, remove && pending > 0 ? `Sign out and lose ${count(pending, 'change')}` : 'Sign out');
  }
}
