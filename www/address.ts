// The address bar follows the place where the person is, and the browser's back button leads to the place before.

import type { Feed } from './feed.js';
import { type Filter, hashOf, type Place, placeOf, unarchived } from './model.js';

export class Address {
  constructor(
    private readonly feed: Feed,
    signal: AbortSignal,
  ) {
    window.addEventListener('hashchange', () => feed.go(placeOf(location.hash)), { signal });
  }

  /** Writes a place that was not chosen, but came about. */
  remember(place: Place): void {
    const hash = hashOf(place);
    if (hash !== location.hash) history.replaceState(null, '', `${location.pathname}${location.search}${hash}`);
  }

  goTo(place: Place): void {
    history.pushState(null, '', hashOf(place));
    this.feed.go(place);
  }

  goToFilter(filter: Filter): void {
    const { listId } = this.feed.model.place;
    if (listId) this.goTo({ listId, filter });
  }

  /** Goes to the list that is so many steps below the chosen one. */
  goToList(step: number): void {
    const { lists, place } = this.feed.model;
    const steps = unarchived(lists ?? []);
    const next = steps[steps.findIndex((list) => list.id === place.listId) + step];
    if (next) this.goTo({ listId: next.id, filter: 'all' });
  }
}
