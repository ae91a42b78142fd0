// Follows the database with live queries and the address bar, and keeps the model that the page shows.

import { sql } from 'seaworthy';
import { type ListCount, type Model, type Place, placeOf } from './model.js';
import { type AppDatabase, app, type List } from './schema.js';

interface CountRow {
  readonly list_id: string;
  readonly active: number;
  readonly done: number;
}

export class Feed {
  model: Model = { lists: null, counts: new Map(), todos: null, place: placeOf(location.hash) };
  private readonly stops: (() => void)[] = [];
  private stopTodos = () => {};
  private followed: string | null = null;

  constructor(
    private readonly db: AppDatabase,
    private readonly onChange: () => void,
    private readonly onError: (error: unknown) => void,
  ) {
    const lists = db.live(sql.as(app.lists)`SELECT * FROM lists ORDER BY position, id`);
    const counts = db.live(sql<CountRow>`
      SELECT list_id, sum(done = 0) AS active, sum(done = 1) AS done FROM todos GROUP BY list_id`);
    this.stops.push(
      lists.subscribe((rows) => this.showLists(rows), onError),
      counts.subscribe((rows) => this.change({ counts: new Map(rows.map((row): [string, ListCount] => [row.list_id, row])) }), onError),
    );
    this.follow(this.model.place.listId);
  }

  /** Goes to another list or filter. */
  go(place: Place): void {
    const same = place.listId === this.model.place.listId;
    this.change(same ? { place } : { place, todos: null });
    this.follow(place.listId);
  }

  stop(): void {
    this.stopTodos();
    for (const stop of this.stops) stop();
  }

  private showLists(lists: readonly List[]): void {
    const before = this.model.lists;
    this.change({ lists });
    const { listId, filter } = this.model.place;
    if (lists.some((list) => list.id === listId)) return;
    // A list that was deleted, here or elsewhere, gives way to the one that took its place.
    const index = Math.max(0, before?.findIndex((list) => list.id === listId) ?? 0);
    this.go({ listId: lists[Math.min(index, lists.length - 1)]?.id ?? null, filter: listId === null ? filter : 'all' });
  }

  private follow(listId: string | null): void {
    if (listId === this.followed) return;
    this.followed = listId;
    this.stopTodos();
    this.stopTodos = () => {};
    if (listId === null) return;
    const todos = this.db.live(sql.as(app.todos)`SELECT * FROM todos WHERE list_id = ${listId} ORDER BY position, id`);
    this.stopTodos = todos.subscribe((rows) => this.change({ todos: rows }), this.onError);
  }

  private change(change: Partial<Model>): void {
    this.model = { ...this.model, ...change };
    this.onChange();
  }
}
