// How to use the demo from the keyboard, and what to try with it.

import { h } from '../element.js';
import { preference, setPreference } from '../preference.js';
import { Dialog } from './dialog.js';

const COMMAND = navigator.userAgent.includes('Mac') ? '⌘' : 'Ctrl';

const SHORTCUTS: readonly (readonly [keys: string, what: string])[] = [
  ['A', 'Add a todo'],
  ['L', 'Add a list'],
  ['↑ ↓', 'Go from todo to todo'],
  ['Space', 'Complete'],
  ['Enter', 'Edit the title'],
  ['N', 'Edit the note'],
  ['Alt ↑ ↓', 'Move the todo'],
  ['Delete', 'Delete the todo'],
  [`${COMMAND} Z`, 'Undo a deletion'],
  ['P', 'People: share the list'],
  ['1 2 3', 'All, active, done'],
  ['[ ]', 'List before, list after'],
  ['O', 'Work offline, and online again'],
  ['S', 'Synchronisation'],
  ['?', 'This help'],
];

/** Whether single letters work as shortcuts; speech input and shaky hands are better off without. */
export function lettersEnabled(): boolean {
  return preference('letters') !== 'off';
}

export function helpDialog(): Dialog {
  const rows = SHORTCUTS.flatMap(([keys, what]) => [h('dt', {}, ...keys.split(' ').map((key) => h('kbd', {}, key))), h('dd', {}, what)]);
  const letters = h('input', {
    type: 'checkbox',
    role: 'switch',
    class: 'switch',
    on: { change: () => setPreference('letters', letters.checked ? null : 'off') },
  });
  letters.checked = lettersEnabled();
  return new Dialog(
    'Help',
    'card',
    h(
      'p',
      { class: 'help-text' },
      'Your todos live in a database in this browser. Switch the network off, change what you like, reload, and switch it on again: everything finds its way. Share a list with somebody: it appears where that person is signed in.',
    ),
    h('dl', { class: 'shortcuts' }, ...rows),
    h('label', { class: 'offline-switch' }, h('span', {}, 'Single letters are shortcuts'), letters),
    h('p', { class: 'help-text' }, h('a', { class: 'link', href: 'self-test.html' }, 'Test this browser')),
  );
}
