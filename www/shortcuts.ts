// Keys that work anywhere on the page, except where text is written or a dialog is open.

import { lettersEnabled } from './view/help.js';

export type Shortcuts = Readonly<Record<string, () => void>>;

/** Listens until the signal is aborted. `mod+z` stands for Ctrl+Z and Command+Z. */
export function listenForShortcuts(shortcuts: Shortcuts, signal: AbortSignal): void {
  window.addEventListener(
    'keydown',
    (event) => {
      if (event.defaultPrevented || event.isComposing || event.altKey || isWriting(event.target) || document.querySelector('dialog[open]')) return;
      const modified = event.ctrlKey || event.metaKey;
      if (!modified && !lettersEnabled()) return;
      const run = shortcuts[modified ? `mod+${event.key.toLowerCase()}` : event.key.toLowerCase()];
      if (!run) return;
      event.preventDefault();
      run();
    },
    { signal },
  );
}

function isWriting(target: EventTarget | null): boolean {
  if (target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement) return true;
  return target instanceof HTMLInputElement && target.type !== 'checkbox';
}
