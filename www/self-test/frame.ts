// Frames that stand for other tabs: each has the package, its worker and its database for itself.

import { h } from '../element.js';
import type { Bench } from './bench.js';

declare global {
  /** What a frame has open, for the page around it. */
  var bench: Bench | undefined;
}

/** What the address of a frame asks for; `null` where it is no frame's. */
export function frameRequest(search: string): { readonly name: string; readonly tier: string } | null {
  const asked = new URLSearchParams(search);
  const [name, tier] = [asked.get('database'), asked.get('tier')];
  return name !== null && tier !== null ? { name, tier } : null;
}

export class Frame {
  private constructor(
    private readonly element: HTMLIFrameElement,
    readonly db: Bench,
  ) {}

  /** Loads a frame that opens the database. */
  static async load(name: string, tier: string): Promise<Frame> {
    const address = new URLSearchParams({ database: name, tier });
    const element = h('iframe', {
      src: `${location.pathname}?${address}`,
      class: 'visually-hidden',
      'aria-hidden': 'true',
      tabindex: -1,
      title: 'Another tab',
    });
    const loaded = new Promise((resolve) => element.addEventListener('load', resolve, { once: true }));
    document.body.append(element);
    await loaded;
    const db = (element.contentWindow as (Window & Pick<typeof globalThis, 'bench'>) | null)?.bench;
    if (!db) throw new Error('The frame did not load the page.');
    await db.ready;
    return new Frame(element, db);
  }

  /** Is gone, as a tab that is closed. What it was asked is never answered. */
  remove(): void {
    this.element.remove();
  }
}
