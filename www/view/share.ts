// Who is in a list: its owner invites and takes out, whoever was invited may leave.

import { arrange, h, setText } from '../element.js';
import { icon } from '../icon.js';
import type { People } from '../model.js';
import type { List } from '../schema.js';
import { isUserName } from '../user.js';
import { avatar } from './avatar.js';
import { Dialog } from './dialog.js';

export interface ShareActions {
  invite(list: List, user: string): void;
  takeOut(list: List, user: string): void;
  leave(list: List): void;
}

export class ShareDialog {
  readonly dialog: Dialog;
  private readonly sentence = h('p', { class: 'share-sentence' });
  private readonly field: HTMLInputElement;
  private readonly form: HTMLFormElement;
  private readonly problem = h('p', { class: 'field-problem', id: 'member-problem', role: 'alert' });
  private readonly said = h('p', { class: 'share-said', role: 'status' });
  private readonly people = h('ul', { class: 'people', 'aria-label': 'Who is in this list' });
  private readonly items = new Map<string, HTMLLIElement>();
  private readonly leaving: HTMLElement;
  private list: List | null = null;
  private shown: People = { me: '', owner: '', members: [] };

  constructor(private readonly actions: ShareActions) {
    this.field = h('input', {
      class: 'text-field',
      type: 'text',
      name: 'member',
      id: 'member-name',
      autocomplete: 'off',
      autocapitalize: 'none',
      spellcheck: 'false',
      maxlength: 40,
      enterkeyhint: 'send',
      'aria-describedby': 'member-problem',
    });
    this.form = h(
      'form',
      { on: { submit: (event) => this.submit(event) } },
      h('label', { class: 'field-label', for: 'member-name' }, 'Invite by name'),
      h('div', { class: 'share-row' }, this.field, h('button', { class: 'button button-primary' }, 'Invite')),
      this.problem,
    );
    const leave = h('button', { class: 'button button-danger', type: 'button', on: { click: () => this.list && actions.leave(this.list) } }, 'Leave the list');
    this.leaving = h('div', { class: 'share-leave' }, h('p', {}, 'If you leave, only an invitation brings you back.'), leave);
    this.dialog = new Dialog('Share', 'card', this.sentence, this.form, this.said, this.people, this.leaving);
  }

  open(list: List, people: People): void {
    this.items.clear();
    this.field.value = '';
    setText(this.problem, '');
    setText(this.said, '');
    this.update(list, people);
    this.dialog.open();
    if (list.owner_id === people.me) this.field.focus();
  }

  /** Who is in it changed, here or elsewhere; a list that is gone closes the dialog. */
  refresh(lists: readonly List[], peopleOf: (list: List) => People): void {
    if (!this.dialog.isOpen) return;
    const list = lists.find(({ id }) => id === this.list?.id);
    if (list) this.update(list, peopleOf(list));
    else this.dialog.close();
  }

  private update(list: List, people: People): void {
    const { me, owner, members } = people;
    this.list = list;
    this.shown = people;
    const mine = owner === me;
    setText(this.sentence, `Everybody in “${list.name}” sees its todos, and may add and change them.`);
    this.form.hidden = !mine;
    this.leaving.hidden = mine;
    const present = new Set([owner, ...members]);
    for (const [name] of this.items) if (!present.has(name)) this.items.delete(name);
    arrange(
      this.people,
      [...present].map((name) => this.item(name)),
    );
  }

  private item(name: string): HTMLLIElement {
    const there = this.items.get(name);
    if (there) return there;
    const { me, owner } = this.shown;
    const role = name === owner ? (name === me ? 'you, the owner' : 'the owner') : name === me ? 'you' : '';
    const remove = () => {
      if (!this.list) return;
      this.actions.takeOut(this.list, name);
      setText(this.said, `${name} is not in the list any more.`);
      this.field.focus();
    };
    const label = `Take ${name} out of the list`;
    const tool =
      owner === me &&
      name !== me &&
      h('button', { class: 'tool', type: 'button', title: 'Take out', 'aria-label': label, on: { click: remove } }, icon('close'));
    const text = h('span', { class: 'person-name' }, name, role && h('span', { class: 'person-role' }, ` ${role}`));
    const item = h('li', { class: 'person', 'data-user': name }, avatar(name), text, tool);
    this.items.set(name, item);
    return item;
  }

  private submit(event: SubmitEvent): void {
    event.preventDefault();
    const name = this.field.value.trim().toLowerCase();
    const problem = this.problemWith(name);
    setText(this.problem, problem);
    this.field.focus();
    if (!this.list || problem) return;
    this.field.value = '';
    setText(this.said, `${name} is invited. The list appears where ${name} is signed in.`);
    this.actions.invite(this.list, name);
  }

  private problemWith(name: string): string {
    const { me, members } = this.shown;
    if (!isUserName(name)) return 'Names have up to 40 letters a to z, digits, dots, hyphens and underscores.';
    if (name === me) return 'That is you: the list is yours already.';
    return members.includes(name) ? `${name} is in the list already.` : '';
  }
}
