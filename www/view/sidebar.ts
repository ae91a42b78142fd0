// The lists, those in the archive behind a fold, and at the foot: who is signed in, the offline switch, the appearance, help.

import { type Appearance, appearance, nextAppearance } from '../appearance.js';
import { editor } from '../editor.js';
import { arrange, fill, h, setAttribute, setText } from '../element.js';
import { icon } from '../icon.js';
import { hashOf, type Model, type People, peopleOf, unarchived } from '../model.js';
import type { List } from '../schema.js';
import { sharing } from '../wording.js';
import { avatar } from './avatar.js';
import { OfflineSwitch } from './offline-switch.js';

export const MAX_NAME_LENGTH = 100;

export interface SidebarActions {
  addList(name: string): void;
  renameList(list: List, name: string): void;
  deleteList(list: List): void;
  /** Shows who is in a list; whoever is not its owner leaves it there. */
  share(list: List): void;
  /** A list was chosen; the address says which. */
  choose(): void;
  setOffline(offline: boolean): void;
  openAccount(): void;
  openHelp(): void;
}

export class Sidebar {
  readonly node: HTMLElement;
  private readonly items = new Map<string, ListItem>();
  private readonly list = h('ul', { class: 'lists' });
  private readonly archived = h('ul', { class: 'lists' });
  private readonly archiveLabel = h('summary', { class: 'archive-label' });
  private readonly archive = h('details', { class: 'archive' }, this.archiveLabel, this.archived);
  private readonly field: HTMLInputElement;
  private readonly offline: OfflineSwitch;

  constructor(
    user: string,
    private readonly actions: SidebarActions,
  ) {
    this.offline = new OfflineSwitch((offline) => actions.setOffline(offline));
    this.field = h('input', {
      type: 'text',
      name: 'list',
      class: 'new-list-field',
      placeholder: 'New list',
      'aria-label': 'New list',
      maxlength: MAX_NAME_LENGTH,
      autocomplete: 'off',
      enterkeyhint: 'done',
    });
    this.field.addEventListener('keydown', (event) => event.key === 'Escape' && this.field.blur());
    this.node = h(
      'aside',
      { class: 'sidebar', id: 'sidebar', 'aria-label': 'Lists' },
      h('div', { class: 'brand' }, icon('anchor'), h('span', {}, 'Seaworthy')),
      h('nav', { 'aria-label': 'Lists' }, this.list),
      h('form', { class: 'new-list', on: { submit: (event) => this.submit(event) } }, icon('add'), this.field),
      this.archive,
      h(
        'div',
        { class: 'sidebar-foot' },
        this.offline.node,
        h(
          'div',
          { class: 'foot-row' },
          accountButton(user, () => actions.openAccount()),
          appearanceButton(),
          helpButton(() => actions.openHelp()),
        ),
      ),
    );
  }

  update(model: Model): void {
    const lists = model.lists ?? [];
    const present = new Set(lists.map((list) => list.id));
    for (const [id] of this.items) if (!present.has(id)) this.items.delete(id);
    for (const list of lists) {
      const item = this.items.get(list.id) ?? new ListItem(list, this.actions);
      this.items.set(list.id, item);
      item.update(list, peopleOf(list, model), model.counts.get(list.id)?.active ?? 0, model.place.listId === list.id);
    }
    const open = unarchived(lists);
    const archived = lists.slice(open.length);
    arrange(this.list, this.nodes(open));
    arrange(this.archived, this.nodes(archived));
    this.archive.hidden = archived.length === 0;
    setText(this.archiveLabel, `Archive (${archived.length})`);
    // Where the person is, is never behind the fold.
    if (archived.some((list) => list.id === model.place.listId)) this.archive.open = true;
  }

  setOffline(offline: boolean): void {
    this.offline.update(offline);
  }

  focusNewList(): void {
    this.field.focus();
  }

  private nodes(lists: readonly List[]): HTMLLIElement[] {
    return lists.flatMap((list) => this.items.get(list.id)?.node ?? []);
  }

  private submit(event: SubmitEvent): void {
    event.preventDefault();
    const name = this.field.value.trim();
    if (!name) return;
    this.field.value = '';
    this.actions.addList(name);
  }
}

class ListItem {
  readonly node: HTMLLIElement;
  private readonly name = h('span', { class: 'list-name' });
  private readonly mark = h('span', { class: 'list-mark' });
  private readonly count = h('span', { class: 'list-count' });
  private readonly link: HTMLAnchorElement;
  private readonly rename: HTMLButtonElement;
  private readonly remove: HTMLButtonElement;
  private readonly leave: HTMLButtonElement;
  private readonly tools = h('div', { class: 'tools' });
  private mine = false;
  private marked: string | null = null;

  constructor(
    private list: List,
    private readonly actions: SidebarActions,
  ) {
    this.link = h(
      'a',
      { class: 'list-link', draggable: 'false', on: { click: () => actions.choose(), dblclick: () => this.edit(), keydown: (event) => this.keydown(event) } },
      this.name,
      this.mark,
      this.count,
    );
    this.rename = h('button', { class: 'tool', type: 'button', title: 'Rename', on: { click: () => this.edit() } }, icon('edit'));
    this.remove = h('button', { class: 'tool', type: 'button', title: 'Delete', on: { click: () => actions.deleteList(this.list) } }, icon('trash'));
    this.leave = h('button', { class: 'tool', type: 'button', title: 'Leave', on: { click: () => actions.share(this.list) } }, icon('leave'));
    this.node = h('li', { class: 'list', 'data-id': list.id }, this.link, this.tools);
  }

  update(list: List, people: People, active: number, chosen: boolean): void {
    this.list = list;
    this.mine = people.owner === people.me;
    // A list in the archive is brought back before it is deleted: its todos may not be here, and there would be no way back.
    arrange(this.tools, this.mine ? [this.rename, ...(list.archived ? [] : [this.remove])] : [this.leave]);
    this.showMark(people);
    setText(this.name, list.name);
    setText(this.count, active > 0 ? String(active) : '');
    setAttribute(this.count, 'aria-label', active > 0 ? `${active} to do` : null);
    setAttribute(this.link, 'href', hashOf({ listId: list.id, filter: 'all' }));
    setAttribute(this.link, 'aria-current', chosen ? 'page' : null);
    setAttribute(this.rename, 'aria-label', `Rename the list “${list.name}”`);
    setAttribute(this.remove, 'aria-label', `Delete the list “${list.name}”`);
    setAttribute(this.leave, 'aria-label', `Leave the list “${list.name}”`);
  }

  /** Whose it is, or that others are in it. */
  private showMark(people: People): void {
    const text = this.mine && people.members.length === 0 ? null : sharing(people);
    if (text === this.marked) return;
    this.marked = text;
    setAttribute(this.mark, 'title', text);
    fill(this.mark, ...(text ? [this.mine ? icon('people') : avatar(people.owner), h('span', { class: 'visually-hidden' }, text)] : []));
  }

  private keydown(event: KeyboardEvent): void {
    if (event.key === 'F2') this.edit();
    else if (event.key === 'Delete') this.discard();
    else if (event.key === 'ArrowDown') sibling(this.node.nextElementSibling);
    else if (event.key === 'ArrowUp') sibling(this.node.previousElementSibling);
    else return;
    event.preventDefault();
  }

  private discard(): void {
    if (!this.mine) this.actions.share(this.list);
    else if (!this.list.archived) this.actions.deleteList(this.list);
  }

  private edit(): void {
    if (!this.mine || this.node.classList.contains('editing')) return;
    const children = [...this.node.children];
    const field = editor({
      value: this.list.name,
      label: 'Name of the list',
      maxLength: MAX_NAME_LENGTH,
      onSave: (name) => name && this.actions.renameList(this.list, name),
      onEnd: (byKeyboard) => {
        this.node.classList.remove('editing');
        fill(this.node, ...children);
        if (byKeyboard) this.link.focus();
      },
    });
    this.node.classList.add('editing');
    fill(this.node, field.node);
    field.begin();
  }
}

function sibling(item: Element | null): void {
  item?.querySelector<HTMLElement>('.list-link')?.focus();
}

function accountButton(user: string, open: () => void): HTMLButtonElement {
  return h(
    'button',
    { class: 'account', type: 'button', title: 'Account', on: { click: open } },
    avatar(user),
    h('span', { class: 'account-name' }, h('span', { class: 'visually-hidden' }, 'Signed in as '), user),
  );
}

function appearanceButton(): HTMLButtonElement {
  const words: Record<Appearance, string> = { system: 'Appearance: as the system', light: 'Appearance: light', dark: 'Appearance: dark' };
  const show = (chosen: Appearance) => {
    fill(button, icon(chosen));
    setAttribute(button, 'aria-label', words[chosen]);
    setAttribute(button, 'title', words[chosen]);
  };
  const button = h('button', { class: 'tool appearance', type: 'button', on: { click: () => show(nextAppearance()) } });
  show(appearance());
  return button;
}

function helpButton(open: () => void): HTMLButtonElement {
  return h('button', { class: 'tool', type: 'button', title: 'Help (?)', 'aria-label': 'Help and keyboard shortcuts', on: { click: open } }, icon('help'));
}
