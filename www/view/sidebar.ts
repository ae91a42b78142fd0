// The lists, and at the foot: who is signed in, the offline switch, the appearance, help.

import { type Appearance, appearance, nextAppearance } from '../appearance.js';
import { editor } from '../editor.js';
import { arrange, fill, h, setAttribute, setText } from '../element.js';
import { icon } from '../icon.js';
import { hashOf, type Model } from '../model.js';
import type { List } from '../schema.js';
import { OfflineSwitch } from './offline-switch.js';

export const MAX_NAME_LENGTH = 100;

export interface SidebarActions {
  addList(name: string): void;
  renameList(list: List, name: string): void;
  deleteList(list: List): void;
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
      item.update(list, model.counts.get(list.id)?.active ?? 0, model.place.listId === list.id);
    }
    arrange(
      this.list,
      lists.flatMap((list) => this.items.get(list.id)?.node ?? []),
    );
  }

  setOffline(offline: boolean): void {
    this.offline.update(offline);
  }

  focusNewList(): void {
    this.field.focus();
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
  private readonly count = h('span', { class: 'list-count' });
  private readonly link: HTMLAnchorElement;
  private readonly rename: HTMLButtonElement;
  private readonly remove: HTMLButtonElement;

  constructor(
    private list: List,
    private readonly actions: SidebarActions,
  ) {
    this.link = h(
      'a',
      { class: 'list-link', draggable: 'false', on: { click: () => actions.choose(), dblclick: () => this.edit(), keydown: (event) => this.keydown(event) } },
      this.name,
      this.count,
    );
    this.rename = h('button', { class: 'tool', type: 'button', title: 'Rename', on: { click: () => this.edit() } }, icon('edit'));
    this.remove = h('button', { class: 'tool', type: 'button', title: 'Delete', on: { click: () => actions.deleteList(this.list) } }, icon('trash'));
    this.node = h('li', { class: 'list', 'data-id': list.id }, this.link, h('div', { class: 'tools' }, this.rename, this.remove));
  }

  update(list: List, active: number, chosen: boolean): void {
    this.list = list;
    setText(this.name, list.name);
    setText(this.count, active > 0 ? String(active) : '');
    setAttribute(this.count, 'aria-label', active > 0 ? `${active} to do` : null);
    setAttribute(this.link, 'href', hashOf({ listId: list.id, filter: 'all' }));
    setAttribute(this.link, 'aria-current', chosen ? 'page' : null);
    setAttribute(this.rename, 'aria-label', `Rename the list “${list.name}”`);
    setAttribute(this.remove, 'aria-label', `Delete the list “${list.name}”`);
  }

  private keydown(event: KeyboardEvent): void {
    if (event.key === 'F2') this.edit();
    else if (event.key === 'Delete') this.actions.deleteList(this.list);
    else if (event.key === 'ArrowDown') sibling(this.node.nextElementSibling);
    else if (event.key === 'ArrowUp') sibling(this.node.previousElementSibling);
    else return;
    event.preventDefault();
  }

  private edit(): void {
    if (this.node.classList.contains('editing')) return;
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
  const initial = [...user][0]?.toUpperCase() ?? '?';
  return h(
    'button',
    { class: 'account', type: 'button', title: 'Account', on: { click: open } },
    h('span', { class: 'avatar', 'aria-hidden': 'true' }, initial),
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
