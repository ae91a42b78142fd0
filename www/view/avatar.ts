// A person as a letter in a circle. The name stands beside it, or in a title.

import { h } from '../element.js';

export function avatar(name: string): HTMLSpanElement {
  return h('span', { class: 'avatar', 'aria-hidden': 'true' }, [...name][0]?.toUpperCase() ?? '?');
}
