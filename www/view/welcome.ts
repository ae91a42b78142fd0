// What stands in the place of a list when there is none.

import { h, setText } from '../element.js';
import { icon } from '../icon.js';
import { MAX_NAME_LENGTH } from './sidebar.js';

const SUGGESTIONS = ['Today', 'Groceries', 'Ideas'];

export class Welcome {
  readonly node: HTMLElement;
  private readonly hint = h('p', { class: 'welcome-hint' });
  private readonly field: HTMLInputElement;

  constructor(private readonly addList: (name: string) => void) {
    this.field = h('input', {
      class: 'text-field',
      type: 'text',
      name: 'first-list',
      placeholder: 'Name a list',
      'aria-label': 'Name of the new list',
      maxlength: MAX_NAME_LENGTH,
      autocomplete: 'off',
      enterkeyhint: 'done',
    });
    const chips = SUGGESTIONS.map((name) => h('button', { class: 'chip', type: 'button', on: { click: () => addList(name) } }, name));
    this.node = h(
      'section',
      { class: 'welcome', 'aria-label': 'Welcome' },
      h('div', { class: 'cover-mark' }, icon('anchor')),
      h('h1', {}, 'Calm water'),
      h('p', {}, 'There are no lists yet. Start one; it works with or without a network.'),
      h(
        'form',
        { class: 'welcome-form', on: { submit: (event) => this.submit(event) } },
        this.field,
        h('button', { class: 'button button-primary' }, 'Create'),
      ),
      h('div', { class: 'chips', role: 'group', 'aria-label': 'Suggestions' }, ...chips),
      this.hint,
    );
  }

  /** `seen` says whether the server's lists have ever arrived on this device. */
  update(seen: boolean, online: boolean): void {
    setText(
      this.hint,
      seen ? '' : online ? 'Looking for lists that you have on the server…' : 'Lists that you have on the server appear when there is a connection.',
    );
  }

  focus(): void {
    this.field.focus();
  }

  private submit(event: SubmitEvent): void {
    event.preventDefault();
    const name = this.field.value.trim();
    if (!name) return;
    this.field.value = '';
    this.addList(name);
  }
}
