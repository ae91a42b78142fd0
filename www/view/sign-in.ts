// The sign-in of a development server: a name, and no password.

import { h, setText } from '../element.js';
import { icon } from '../icon.js';
import { DEFAULT_USER, isUserName } from '../user.js';

export function signInPage(signIn: (user: string) => void): HTMLElement {
  const field = h('input', {
    class: 'text-field',
    type: 'text',
    name: 'user',
    id: 'user-name',
    autocomplete: 'username',
    autocapitalize: 'none',
    spellcheck: 'false',
    maxlength: 40,
    'aria-describedby': 'user-problem',
  });
  field.value = DEFAULT_USER;
  const problem = h('p', { class: 'field-problem', id: 'user-problem', role: 'alert' });
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const name = field.value.trim().toLowerCase();
    if (isUserName(name)) return signIn(name);
    setText(problem, 'Use up to 40 letters a to z, digits, dots, hyphens and underscores.');
    field.focus();
  };
  const page = h(
    'main',
    { class: 'cover' },
    h(
      'form',
      { class: 'cover-card', on: { submit } },
      h('div', { class: 'cover-mark' }, icon('anchor')),
      h('h1', {}, 'Sign in'),
      h('p', {}, 'This is a development server: any name will do. Each name has lists of its own, and those that others share with it.'),
      h('label', { class: 'field-label', for: 'user-name' }, 'Your name'),
      field,
      problem,
      h('button', { class: 'button button-primary' }, 'Sign in'),
    ),
  );
  queueMicrotask(() => field.select());
  return page;
}
