// The chosen list: its name, who is in it, the filter, the field for a new todo, the todos.

import { editor } from '../editor.js';
import { fill, h, setAttribute, setText } from '../element.js';
import { icon } from '../icon.js';
import { FILTERS, type Filter, filtered, hashOf, type Model, peopleOf } from '../model.js';
import type { List, Todo } from '../schema.js';
import { sharing } from '../wording.js';
import { Composer } from './composer.js';
import { MAX_NAME_LENGTH } from './sidebar.js';
import { TodoList, type TodoListActions } from './todo-list.js';

const LABELS: Readonly<Record<Filter, string>> = { all: 'All', active: 'Active', done: 'Done' };
const EMPTY: Readonly<Record<Filter, string>> = {
  all: 'Nothing here yet. What comes first?',
  active: 'Nothing left to do. Well done.',
  done: 'Nothing completed yet.',
};

export interface ListPaneActions extends Omit<TodoListActions, 'leave'> {
  add(list: List, titles: string[]): void;
  renameList(list: List, name: string): void;
  clearCompleted(list: List, count: number): void;
  share(list: List): void;
  archive(list: List): void;
  bringBack(list: List): void;
}

export class ListPane {
  readonly node: HTMLElement;
  readonly todos: TodoList;
  readonly composer: Composer;
  private readonly heading = h('h1', { class: 'pane-title' });
  private readonly summary = h('p', { class: 'pane-summary' });
  private readonly sharing = h('span');
  private readonly archive: HTMLButtonElement;
  private readonly archived: HTMLElement;
  private readonly archivedText = h('p');
  private readonly back: HTMLButtonElement;
  private readonly filters = new Map<Filter, HTMLAnchorElement>();
  private readonly empty = h('p', { class: 'pane-empty' });
  private readonly clear: HTMLButtonElement;
  private list: List | null = null;
  private mine = true;
  private done = 0;

  constructor(private readonly actions: ListPaneActions) {
    this.composer = new Composer(
      (titles) => this.list && actions.add(this.list, titles),
      () => this.todos.focusCurrent(),
    );
    this.todos = new TodoList({ ...actions, leave: () => this.composer.focus() });
    this.clear = h(
      'button',
      { class: 'button button-quiet clear', type: 'button', on: { click: () => this.list && actions.clearCompleted(this.list, this.done) } },
      'Clear completed',
    );
    const share = h('button', { class: 'pane-tool share', type: 'button', on: { click: () => this.list && actions.share(this.list) } });
    share.append(icon('people'), this.sharing);
    this.archive = h('button', { class: 'pane-tool archive-list', type: 'button', on: { click: () => this.list && actions.archive(this.list) } });
    this.archive.append(icon('archive'), 'Archive');
    this.back = h('button', { class: 'button', type: 'button', on: { click: () => this.list && actions.bringBack(this.list) } }, 'Bring it back');
    this.archived = h('div', { class: 'pane-archived' }, this.archivedText, this.back);
    for (const filter of FILTERS) this.filters.set(filter, h('a', { class: 'filter', 'data-filter': filter }, LABELS[filter]));
    this.node = h(
      'section',
      { class: 'pane', 'aria-label': 'Todos' },
      h('header', { class: 'pane-head' }, this.heading, this.summary, h('div', { class: 'pane-tools' }, share, this.archive)),
      this.archived,
      this.composer.node,
      h('div', { class: 'pane-bar' }, h('nav', { class: 'filters', 'aria-label': 'Filter' }, ...this.filters.values()), this.clear),
      this.todos.node,
      this.empty,
    );
  }

  update(model: Model, list: List): void {
    const { filter } = model.place;
    const people = peopleOf(list, model);
    this.mine = people.owner === people.me;
    if (this.list?.id !== list.id) this.change(list);
    this.list = list;
    if (!this.heading.querySelector('textarea')) this.showName(list.name);
    setText(this.sharing, sharing(people));
    this.showArchive(list, model.todosHere);
    this.composer.setList(list.name);
    for (const [name, link] of this.filters) {
      setAttribute(link, 'href', hashOf({ listId: list.id, filter: name }));
      setAttribute(link, 'aria-current', name === filter ? 'true' : null);
    }
    if (model.todos) this.showTodos(model.todos, filter, model.todosHere);
  }

  private showArchive({ archived, owner_id }: List, todosHere: boolean): void {
    this.archive.hidden = archived || !this.mine;
    this.archived.hidden = !archived;
    this.back.hidden = !this.mine;
    // Before, there would be no way back from a deletion.
    this.back.disabled = !todosHere;
    setText(this.archivedText, `This list is in the archive: its todos are fetched when you look at it.${this.mine ? '' : ` ${owner_id} can bring it back.`}`);
  }

  private showTodos(todos: readonly Todo[], filter: Filter, here: boolean): void {
    const shown = filtered(todos, filter);
    this.done = todos.filter((todo) => todo.done).length;
    this.todos.update(shown);
    setText(this.summary, summaryOf(todos.length - this.done, this.done));
    setText(
      this.empty,
      shown.length > 0 ? '' : here ? EMPTY[filter] : 'The todos of this list are on their way. Without a network, they come when there is one.',
    );
    setAttribute(this.empty, 'aria-busy', shown.length === 0 && !here);
    this.empty.hidden = shown.length > 0;
    this.clear.hidden = this.done === 0;
  }

  /** Another list: nothing of the one before may be seen, or be edited, under the new name. */
  private change(list: List): void {
    this.todos.clear();
    setText(this.summary, '');
    this.empty.hidden = true;
    this.clear.hidden = true;
    this.showName(list.name);
  }

  private showName(name: string): void {
    const { firstElementChild: there } = this.heading;
    if (there?.textContent === name && (there.tagName === 'BUTTON') === this.mine) return;
    const rename = () => h('button', { class: 'title', type: 'button', title: 'Rename', on: { click: () => this.editName() } }, name);
    fill(this.heading, this.mine ? rename() : h('span', { class: 'title' }, name));
  }

  private editName(): void {
    const { list } = this;
    if (!list) return;
    const field = editor({
      value: list.name,
      label: 'Name of the list',
      maxLength: MAX_NAME_LENGTH,
      onSave: (name) => name && this.actions.renameList(list, name),
      onEnd: (byKeyboard) => {
        fill(this.heading);
        this.showName(this.list?.name ?? list.name);
        if (byKeyboard) this.heading.querySelector('button')?.focus();
      },
    });
    fill(this.heading, field.node);
    field.begin();
  }
}

function summaryOf(active: number, done: number): string {
  if (active + done === 0) return '';
  return done === 0 ? `${active} to do` : `${active} to do, ${done} done`;
}
