// Follows the database with live queries and streams, and the address bar, and keeps the model that the page shows.

import { type Stream, type Streams, sql } from 'seaworthy';
import { byList, type ListCount, type Model, type Place, placeOf, unarchived, without } from './model.js';
import { type AppDatabase, app, type List } from './schema.js';

/** For how long the todos of a list from the archive stay here after it was looked at. */
const KEPT_FOR = '1d';

interface CountRow {
  readonly list_id: string;
  readonly active: number;
  readonly done: number;
}

/** Whoever leaves a list has left it at once, also without a network: it may still be here, but is not looked at. */
const listsOf = (user: string) => sql.as(app.lists)`
  SELECT * FROM lists WHERE owner_id = ${user} OR id IN (SELECT list_id FROM members WHERE user_id = ${user})
  ORDER BY archived, owner_id <> ${user}, position, id`;

export interface FeedListeners {
  change(): void;
  /** Lists came or went while the page was looking, and not because the page began to. */
  listsMoved(came: readonly List[], gone: readonly List[]): void;
  error(error: unknown): void;
}

export class Feed {
  model: Model;
  private stops: (() => void)[] = [];
  private stopTodos = () => {};
  private followed: string | null = null;
  private fetched: { readonly listId: string; readonly stream: Stream; readonly stop: () => void } | null = null;
  /** Everything was here once: what comes from now on is news. */
  settled = false;
  private settling: Promise<void> | null = null;

  constructor(
    private readonly db: AppDatabase,
    private readonly me: string,
    private readonly on: FeedListeners,
  ) {
    const arrival = { complete: false, rows: 0, fraction: 0 };
    this.model = { me, lists: null, members: new Map(), counts: new Map(), todos: null, todosHere: false, arrival, place: placeOf(location.hash) };
  }

  begin(): void {
    const { db, me, on } = this;
    const lists = db.live(listsOf(me));
    const members = db.live(sql.as(app.members)`SELECT * FROM members ORDER BY list_id, added_at, user_id`);
    const counts = db.live(sql<CountRow>`
      SELECT list_id, sum(done = 0) AS active, sum(done = 1) AS done FROM todos GROUP BY list_id`);
    this.stops = [
      lists.subscribe((rows) => this.showLists(rows), on.error),
      members.subscribe((rows) => this.change({ members: byList(rows) }), on.error),
      counts.subscribe((rows) => this.change({ counts: new Map(rows.map((row): [string, ListCount] => [row.list_id, row])) }), on.error),
      db.streams.subscribe((streams) => this.showArrival(streams)),
    ];
    this.follow(this.model.place.listId);
  }

  /** Goes to another list or filter. */
  go(place: Place): void {
    const same = place.listId === this.model.place.listId;
    this.change(same ? { place } : { place, todos: null });
    this.follow(place.listId);
    this.fetch();
  }

  stop(): void {
    this.stopTodos();
    this.release();
    for (const stop of this.stops) stop();
    this.stops = [];
  }

  private showLists(lists: readonly List[]): void {
    const before = this.model.lists;
    this.change({ lists });
    this.fetch();
    if (before && this.settled) this.tellMoved(before, lists);
    const { listId, filter } = this.model.place;
    if (lists.some((list) => list.id === listId)) return;
    // A list that is gone, by whosever doing, gives way to the one that took its place.
    const index = Math.max(0, before?.findIndex((list) => list.id === listId) ?? 0);
    const open = unarchived(lists);
    this.go({ listId: open[Math.min(index, open.length - 1)]?.id ?? null, filter: listId === null ? filter : 'all' });
  }

  /** What came until everything was here is no news. */
  private async settle(): Promise<void> {
    try {
      const lists = await this.db.all(listsOf(this.me));
      if (this.stops.length === 0) return;
      this.showLists(lists);
      this.settled = true;
    } catch (error) {
      this.on.error(error);
    }
  }

  private tellMoved(before: readonly List[], now: readonly List[]): void {
    const [came, gone] = [without(now, before), without(before, now)];
    if (came.length + gone.length > 0) this.on.listsMoved(came, gone);
  }

  /** Whether the todos of every list that is in use are here, as far as this device has heard. */
  get allTodosHere(): boolean {
    const todos = this.db.streams.getSnapshot().all.find(({ name, auto }) => auto && name === 'todos');
    return todos?.ready ?? true;
  }

  private showArrival({ ready, rows, fraction }: Streams): void {
    if (ready && !this.settling) this.settling = this.settle();
    const todosHere = this.fetched ? this.model.todosHere : this.allTodosHere;
    this.change({ arrival: { complete: ready, rows, fraction }, todosHere });
  }

  private follow(listId: string | null): void {
    if (listId === this.followed) return;
    this.followed = listId;
    this.stopTodos();
    this.stopTodos = () => {};
    if (listId === null) return;
    const todos = this.db.live(sql.as(app.todos)`SELECT * FROM todos WHERE list_id = ${listId} ORDER BY position, id`);
    this.stopTodos = todos.subscribe((rows) => this.change({ todos: rows }), this.on.error);
  }

  /** The todos of lists in the archive do not come by themselves. */
  private fetch(): void {
    const list = this.model.lists?.find(({ id }) => id === this.model.place.listId);
    const wanted = list?.archived ? list.id : null;
    if (wanted === (this.fetched?.listId ?? null)) return;
    this.release();
    if (wanted !== null) {
      const stream = this.db.stream('list_todos', { list_id: wanted });
      this.fetched = { listId: wanted, stream, stop: stream.subscribe(({ ready }) => this.change({ todosHere: ready })) };
    }
    this.showArrival(this.db.streams.getSnapshot());
  }

  private release(): void {
    this.fetched?.stop();
    this.fetched?.stream.release({ keepFor: KEPT_FOR });
    this.fetched = null;
  }

  private change(change: Partial<Model>): void {
    this.model = { ...this.model, ...change };
    this.on.change();
  }
}
