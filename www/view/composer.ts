// The field for a new todo. Several pasted lines become several todos.

import { h, setAttribute } from '../element.js';
import { icon } from '../icon.js';
import { MAX_TITLE_LENGTH } from './todo-row.js';

export class Composer {
  readonly node: HTMLFormElement;
  private readonly field: HTMLInputElement;

  constructor(
    private readonly onAdd: (titles: string[]) => void,
    onDown: () => void,
  ) {
    this.field = h('input', {
      class: 'composer-field',
      type: 'text',
      name: 'title',
      maxlength: MAX_TITLE_LENGTH,
      autocomplete: 'off',
      enterkeyhint: 'done',
      on: {
        paste: (event) => this.paste(event),
        keydown: (event) => {
          if (event.key === 'ArrowDown') onDown();
          else if (event.key === 'Escape') this.field.blur();
        },
      },
    });
    this.node = h(
      'form',
      { class: 'composer', on: { submit: (event) => this.submit(event) } },
      icon('add'),
      this.field,
      h('button', { class: 'composer-button' }, 'Add'),
    );
  }

  setList(name: string): void {
    setAttribute(this.field, 'aria-label', `New todo in ${name}`);
    setAttribute(this.field, 'placeholder', 'Add a todo');
  }

  focus(): void {
    this.field.focus();
  }

  private submit(event: SubmitEvent): void {
    event.preventDefault();
    const title = this.field.value.trim();
    this.field.focus();
    if (!title) return;
    this.field.value = '';
    this.onAdd([title]);
  }

  private paste(event: ClipboardEvent): void {
    const lines = (event.clipboardData?.getData('text/plain') ?? '').split('\n').map((line) => line.trim().slice(0, MAX_TITLE_LENGTH));
    const titles = lines.filter((line) => line !== '');
    if (titles.length < 2 || this.field.value !== '') return;
    event.preventDefault();
    this.onAdd(titles);
  }
}
