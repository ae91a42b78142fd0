// Light or dark. `appearance-boot.ts` shows it before the first paint, so that a chosen appearance does not flash.

import { preference, setPreference } from './preference.js';

const ORDER = ['system', 'light', 'dark'] as const;

export type Appearance = (typeof ORDER)[number];

/** What the person chose on this device. */
export function appearance(): Appearance {
  const chosen = preference('appearance');
  return ORDER.find((name) => name === chosen) ?? 'system';
}

/** Chooses the next appearance in turn, and answers it. */
export function nextAppearance(): Appearance {
  const next = ORDER[(ORDER.indexOf(appearance()) + 1) % ORDER.length] ?? 'system';
  setPreference('appearance', next === 'system' ? null : next);
  showAppearance();
  return next;
}

export function showAppearance(): void {
  const chosen = appearance();
  if (chosen === 'system') delete document.documentElement.dataset.appearance;
  else document.documentElement.dataset.appearance = chosen;
}
