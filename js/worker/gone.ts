import type { Engine } from './engine.js';

/** Drops the answers that are kept for pages that are gone, which `areGone` finds out. `idle` gives the engine while it may be asked. */
export async function forgetGone(idle: () => Engine | null, areGone: (pages: readonly string[]) => Promise<readonly string[]>): Promise<void> {
  const engine = idle();
  const pages = engine?.answered_pages() ?? [];
  const gone = pages.length > 0 ? await areGone(pages) : [];
  if (gone.length > 0 && idle() === engine) engine?.forget_pages(gone);
}
