// What the page shows: the rows of the live queries, and the place where the person is.

import type { List, Member, Todo } from './schema.js';

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

/** How much of what the server has for this user is here. */
export interface Arrival {
  readonly complete: boolean;
  readonly rows: number;
  /** From 0 to 1. */
  readonly fraction: number;
}

export interface Model {
  /** The user. */
  readonly me: string;
  /** The user's own before those of others, the archive last; `null` until the first result. */
  readonly lists: readonly List[] | null;
  /** Who is in each list besides its owner. */
  readonly members: ReadonlyMap<string, readonly string[]>;
  readonly counts: ReadonlyMap<string, ListCount>;
  /** The chosen list's todos in their order; `null` until the first result. */
  readonly todos: readonly Todo[] | null;
  /** Whether those are all that the server has. */
  readonly todosHere: boolean;
  readonly arrival: Arrival;
  readonly place: Place;
}

/** Who shares a list. */
export interface People {
  readonly me: string;
  readonly owner: string;
  /** Without the owner, in the order in which they were invited. */
  readonly members: readonly string[];
}

export function peopleOf(list: List, { me, members }: Pick<Model, 'me' | 'members'>): People {
  return { me, owner: list.owner_id, members: members.get(list.id) ?? [] };
}

export function byList(members: readonly Member[]): ReadonlyMap<string, readonly string[]> {
  const lists = new Map<string, string[]>();
  for (const { list_id, user_id } of members) lists.set(list_id, [...(lists.get(list_id) ?? []), user_id]);
  return lists;
}

export function without(lists: readonly List[], others: readonly List[]): readonly List[] {
  return lists.filter(({ id }) => !others.some((other) => other.id === id));
}

/** The lists that are in use. */
export function unarchived(lists: readonly List[]): readonly List[] {
  return lists.filter((list) => !list.archived);
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
