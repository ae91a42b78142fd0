// Cards over the todos: two devices wrote different things, and a person says which one stays.

import type { Question } from '../conflicts.js';
import { fill, h } from '../element.js';
import type { Todo } from '../schema.js';

export class ConflictCards {
  readonly node = h('section', { class: 'conflicts', 'aria-label': 'Changed in two places', 'aria-live': 'polite', hidden: true });

  update(questions: readonly Question[]): void {
    this.node.hidden = questions.length === 0;
    fill(this.node, ...questions.map(card));
  }
}

function card(question: Question): HTMLElement {
  const { mine, theirs } = question;
  const name = (theirs ?? mine)?.title ?? '';
  return h(
    'article',
    { class: 'conflict', 'data-id': question.id },
    h('h2', { class: 'conflict-title' }, `“${name}” was changed in two places`),
    h('p', { class: 'conflict-sentence' }, 'Both versions are kept until you choose.'),
    h(
      'div',
      { class: 'conflict-versions' },
      version('On this device', mine, 'Keep mine', () => question.choose(mine)),
      version('Elsewhere', theirs, 'Keep the other', () => question.choose(theirs)),
    ),
  );
}

function version(place: string, todo: Todo | null, label: string, choose: () => void): HTMLElement {
  const text = todo ? h('p', { class: 'conflict-text' }, todo.title) : h('p', { class: 'conflict-text conflict-gone' }, 'Deleted');
  const note = todo?.note && h('p', { class: 'conflict-note' }, todo.note);
  const what = todo ? `${label}: ${todo.title}` : `${label}: delete it`;
  const button = h('button', { class: 'button', type: 'button', 'aria-label': what, on: { click: choose } }, label);
  return h('div', { class: 'conflict-version' }, h('h3', { class: 'conflict-place' }, place), text, note, button);
}
