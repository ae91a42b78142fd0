// What the page shows: the rows of the live queries, and the place where the person is.

import type { List, Todo } from './schema.js';

export const FILTERS = ['all', 'active', 'done'] as const;
export type Filter = (typeof FILTERS)[number];

/** The place, as the address holds it, so that a reload comes back to it. */
export interface Place {
  readonly listId: string | null;
  readonly filter: Filter;
}

export interface ListCount {
  readonly active: number;
  readonly done: number;
}

export interface Model {
  /** `null` until the first result. */
  readonly lists: readonly List[] | null;
  readonly counts: ReadonlyMap<string, ListCount>;
  /** The chosen list's todos in their order; `null` until the first result. */
  readonly todos: readonly Todo[] | null;
  readonly place: Place;
}

export function filtered(todos: readonly Todo[], filter: Filter): readonly Todo[] {
  return filter === 'all' ? todos : todos.filter((todo) => todo.done === (filter === 'done'));
}

export function placeOf(hash: string): Place {
  const [, kind, listId = '', filter] = /^#(list)\/([^/]+)(?:\/(\w+))?$/.exec(hash) ?? [];
  return { listId: kind ? decode(listId) : null, filter: FILTERS.find((name) => name === filter) ?? 'all' };
}

export function hashOf(place: Place): string {
  if (place.listId === null) return '';
  return `#list/${encodeURIComponent(place.listId)}${place.filter === 'all' ? '' : `/${place.filter}`}`;
}

function decode(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}
