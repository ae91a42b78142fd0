// Short messages at the foot of the page: what was deleted, with a way back; what went wrong, in words.

import { fill, h, setText } from '../element.js';
import { icon } from '../icon.js';

const LIFETIME_MS = 8000;

export interface ToastAction {
  readonly label: string;
  run(): void;
}

export class Toasts {
  readonly node: HTMLDivElement;
  private readonly shown = h('div', { class: 'toast-place', role: 'status', 'aria-live': 'polite' });
  private readonly silent = h('div', { class: 'visually-hidden', role: 'status', 'aria-live': 'polite' });
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.node = h('div', { class: 'toasts' }, this.shown, this.silent);
    // Someone who is on the way to the button keeps it.
    for (const type of ['pointerenter', 'focusin'] as const) this.shown.addEventListener(type, () => clearTimeout(this.timer));
    for (const type of ['pointerleave', 'focusout'] as const) this.shown.addEventListener(type, () => this.startTimer());
  }

  /** Shows a message in the place of the one before it. */
  show(text: string, action?: ToastAction, tone: 'plain' | 'problem' = 'plain'): void {
    const act = (run: () => void) => () => {
      this.hide();
      run();
    };
    fill(
      this.shown,
      h(
        'div',
        { class: 'toast', 'data-tone': tone },
        h('span', { class: 'toast-text' }, text),
        action && h('button', { class: 'toast-action', type: 'button', on: { click: act(() => action.run()) } }, action.label),
        h('button', { class: 'toast-close', type: 'button', 'aria-label': 'Dismiss', on: { click: act(() => {}) } }, icon('close')),
      ),
    );
    this.startTimer();
  }

  hide(): void {
    clearTimeout(this.timer);
    fill(this.shown);
  }

  /** Says something to a screen reader alone. */
  announce(text: string): void {
    setText(this.silent, text);
  }

  private startTimer(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.hide(), LIFETIME_MS);
  }
}
