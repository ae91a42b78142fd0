// One todo: its tick, its title and note that are edited in place, and its tools.

import { type Editor, editor } from '../editor.js';
import { fill, h, setAttribute, setText } from '../element.js';
import { icon } from '../icon.js';
import type { Todo } from '../schema.js';

export const MAX_TITLE_LENGTH = 500;
export const MAX_NOTE_LENGTH = 5000;

export interface TodoActions {
  setDone(todo: Todo, done: boolean): void;
  /** The title or the note was edited; `edited` holds it. */
  setText(edited: Todo): void;
  remove(todo: Todo): void;
  /** Who added it, if somebody else did. */
  authorOf(todo: Todo): string | null;
}

export class TodoRow {
  readonly node: HTMLLIElement;
  private readonly tick: HTMLInputElement;
  private readonly grip: HTMLButtonElement;
  private readonly title: HTMLButtonElement;
  private readonly titleText = h('span', { class: 'title-text' });
  private readonly note: HTMLButtonElement;
  private readonly author = h('span', { class: 'todo-author' });
  private readonly noteTool: HTMLButtonElement;
  private readonly deleteTool: HTMLButtonElement;
  private readonly body: HTMLDivElement;
  private editing: { readonly what: 'title' | 'note'; readonly field: Editor } | null = null;
  private todo: Todo;

  constructor(
    todo: Todo,
    private readonly actions: TodoActions,
  ) {
    this.todo = todo;
    this.grip = h('button', { class: 'grip', type: 'button', 'data-command': 'grip' }, icon('grip'));
    this.tick = h('input', {
      type: 'checkbox',
      class: 'tick',
      on: { change: () => actions.setDone(this.todo, this.tick.checked) },
    });
    this.title = h('button', { class: 'title', type: 'button', title: 'Edit', on: { click: () => this.editTitle() } }, this.titleText);
    this.note = h('button', { class: 'note', type: 'button', on: { click: () => this.editNote() } });
    this.noteTool = h('button', { class: 'tool', type: 'button', title: 'Note', on: { click: () => this.editNote() } }, icon('note'));
    this.deleteTool = h('button', { class: 'tool', type: 'button', title: 'Delete', on: { click: () => this.remove() } }, icon('trash'));
    this.body = h('div', { class: 'todo-body' }, this.title, this.note);
    this.node = h(
      'li',
      { class: 'todo', 'data-id': todo.id },
      this.grip,
      h('span', { class: 'tick-box' }, this.tick, icon('check')),
      this.body,
      this.author,
      // The tools leave the focus where it is: a field that lost it would end, and take the tools from under the finger.
      h('div', { class: 'tools', on: { mousedown: (event) => event.preventDefault() } }, this.noteTool, this.deleteTool),
    );
    this.update(todo);
  }

  get value(): Todo {
    return this.todo;
  }

  get isEditing(): boolean {
    return this.editing !== null;
  }

  update(todo: Todo): void {
    this.todo = todo;
    this.tick.checked = todo.done;
    setAttribute(this.tick, 'aria-label', todo.title);
    setAttribute(this.node, 'data-done', todo.done);
    setText(this.titleText, todo.title);
    setText(this.note, todo.note ?? '');
    this.note.hidden = !todo.note || this.editing?.what === 'note';
    this.showAuthor(this.actions.authorOf(todo));
    setAttribute(this.note, 'aria-label', `Edit the note of “${todo.title}”: ${todo.note ?? ''}`);
    setAttribute(this.noteTool, 'aria-label', `${todo.note ? 'Edit the' : 'Add a'} note of “${todo.title}”`);
    setAttribute(this.deleteTool, 'aria-label', `Delete “${todo.title}”`);
    setAttribute(this.grip, 'aria-label', `Move “${todo.title}”, with the arrow keys or by dragging`);
  }

  /** The row leaves the page: what is being edited in it is saved. */
  leave(): void {
    this.editing?.field.end(true);
  }

  /** Makes this the row whose controls the Tab key reaches. */
  setCurrent(current: boolean): void {
    for (const control of [this.grip, this.tick, this.title, this.note, this.noteTool, this.deleteTool]) control.tabIndex = current ? 0 : -1;
  }

  focus(): void {
    this.tick.focus();
  }

  focusGrip(): void {
    this.grip.focus();
  }

  editTitle(): void {
    if (this.editing?.what === 'title') return;
    this.editing?.field.end(true);
    const field = editor({
      value: this.todo.title,
      label: 'Title',
      maxLength: MAX_TITLE_LENGTH,
      onSave: (title) => title && this.actions.setText({ ...this.todo, title }),
      onEnd: (byKeyboard) => this.endEditing(byKeyboard),
    });
    this.beginEditing('title', field, field.node, this.note);
  }

  editNote(): void {
    if (this.editing?.what === 'note') return;
    this.editing?.field.end(true);
    const field = editor({
      value: this.todo.note ?? '',
      label: `Note of “${this.todo.title}”`,
      placeholder: 'Note',
      maxLength: MAX_NOTE_LENGTH,
      multiline: true,
      onSave: (note) => this.actions.setText({ ...this.todo, note: note || null }),
      onEnd: (byKeyboard) => this.endEditing(byKeyboard),
    });
    this.beginEditing('note', field, this.title, field.node);
  }

  private showAuthor(author: string | null): void {
    setText(this.author, author ?? '');
    setAttribute(this.author, 'title', author && `Added by ${author}`);
  }

  private beginEditing(what: 'title' | 'note', field: Editor, ...body: HTMLElement[]): void {
    this.editing = { what, field };
    this.node.classList.add('editing');
    fill(this.body, ...body);
    field.begin();
  }

  private remove(): void {
    this.editing?.field.end(false);
    this.actions.remove(this.todo);
  }

  private endEditing(byKeyboard: boolean): void {
    this.editing = null;
    this.node.classList.remove('editing');
    fill(this.body, this.title, this.note);
    this.update(this.todo);
    if (byKeyboard) this.focus();
  }
}
