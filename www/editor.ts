// Editing in place: a text field that stands where the text stood. Enter and leaving it save, Escape does not.

import { h } from './element.js';

export interface EditorOptions {
  readonly value: string;
  /** What a screen reader calls the field. */
  readonly label: string;
  readonly placeholder?: string;
  readonly maxLength: number;
  /** Enter makes a new line; Ctrl or Command with Enter saves. */
  readonly multiline?: boolean;
  /** Called with the trimmed text, and only when it changed. */
  onSave(value: string): void;
  /** Called once, saved or not. `byKeyboard` says that the focus has nowhere to be. */
  onEnd(byKeyboard: boolean): void;
}

export interface Editor {
  readonly node: HTMLTextAreaElement;
  /** Takes the focus. Call it when the field is in the page. */
  begin(): void;
  /** Ends the editing before the person does. */
  end(save: boolean): void;
}

/** Makes the field. */
export function editor(options: EditorOptions): Editor {
  let ended = false;
  let saved = options.value.trim();
  const node = h('textarea', {
    class: options.multiline ? 'editor editor-note' : 'editor',
    rows: 1,
    'aria-label': options.label,
    placeholder: options.placeholder,
    maxlength: options.maxLength,
    spellcheck: 'true',
    enterkeyhint: options.multiline ? undefined : 'done',
    on: { input: fit, blur: leave, keydown },
  });
  node.value = options.value;

  function fit(): void {
    if (!options.multiline && node.value.includes('\n')) node.value = node.value.replace(/\s*\n\s*/g, ' ');
    if (CSS.supports('field-sizing', 'content')) return;
    node.style.height = 'auto';
    node.style.height = `${node.scrollHeight}px`;
  }

  function keydown(event: KeyboardEvent): void {
    if (event.isComposing) return;
    const saves = event.key === 'Enter' && (!options.multiline || event.ctrlKey || event.metaKey);
    if (!saves && event.key !== 'Escape') return;
    event.preventDefault();
    event.stopPropagation();
    end(saves, true);
  }

  /** Going to another window saves too, for who knows whether one comes back; but the field waits. */
  function leave(): void {
    if (document.activeElement === node) keep();
    else end(true, false);
  }

  function keep(): void {
    const value = node.value.trim();
    if (value === saved) return;
    saved = value;
    options.onSave(value);
  }

  function end(save: boolean, byKeyboard: boolean): void {
    if (ended) return;
    ended = true;
    if (save) keep();
    options.onEnd(byKeyboard);
  }

  return {
    node,
    end: (save) => end(save, false),
    begin() {
      fit();
      node.focus();
      node.setSelectionRange(node.value.length, node.value.length);
    },
  };
}
