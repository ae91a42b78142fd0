// The page of a signed-in user: views on one side, the database on the other, and what a person does in between.

import { SeaworthyError, type Status } from 'seaworthy';
import { type Child, fill, h, setAttribute } from './element.js';
import { failure } from './failure.js';
import { Feed } from './feed.js';
import { icon } from './icon.js';
import { FILTERS, type Filter, hashOf, type Place, placeOf } from './model.js';
import { Reachability } from './reachability.js';
import type { Todo } from './schema.js';
import type { Session } from './session.js';
import { listenForShortcuts } from './shortcuts.js';
import { UndoStack } from './undo.js';
import { Account } from './view/account.js';
import { Badge } from './view/badge.js';
import { failedCover, openingCover, otherTabCover } from './view/cover.js';
import { helpDialog } from './view/help.js';
import { ListPane } from './view/list-pane.js';
import { Sidebar } from './view/sidebar.js';
import { SyncPanel } from './view/sync-panel.js';
import type { Toasts } from './view/toast.js';
import { Welcome } from './view/welcome.js';
import { count } from './wording.js';
import type { Undo } from './workspace.js';
import { writesOf } from './writes.js';

/** How often "2 min ago" is brought up to date. */
const CLOCK_MS = 20_000;

export class Screen {
  readonly node = h('div', { class: 'screen' }, openingCover());
  private readonly ends = new AbortController();
  private readonly undoStack = new UndoStack();
  private readonly feed: Feed;
  private readonly sidebar: Sidebar;
  private readonly pane: ListPane;
  private readonly welcome: Welcome;
  private readonly badge: Badge;
  private readonly panel: SyncPanel;
  private readonly account: Account;
  private readonly help = helpDialog();
  private readonly main = h('main', { class: 'main' });
  private readonly layout: HTMLElement;
  private readonly menuButton: HTMLButtonElement;
  private readonly reach: Reachability;
  /** The status as the package has it, and as it is shown. */
  private known: Status;
  private status: Status;
  private failed: string | null = null;
  private focusNext: 'composer' | null = null;

  constructor(
    private readonly session: Session,
    private readonly toasts: Toasts,
    leave: (removeData: boolean) => void,
  ) {
    const { workspace } = session;
    this.known = session.db.status.getSnapshot();
    this.status = this.known;
    this.reach = new Reachability(session.user, () => this.showStatus(this.known));
    this.sidebar = new Sidebar(session.user, {
      addList: (name) => this.addList(name),
      renameList: (list, name) => this.attempt(workspace.renameList(list.id, name)),
      deleteList: (list) => this.undoable(workspace.deleteList(list), `Deleted the list “${list.name}”`),
      choose: () => this.showMenu(false),
      setOffline: (offline) => this.setOffline(offline),
      openAccount: () => this.account.open(this.status.pending),
      openHelp: () => this.help.open(),
    });
    this.pane = new ListPane({
      add: (list, titles) => this.attempt(workspace.addTodos(list.id, titles)),
      renameList: (list, name) => this.attempt(workspace.renameList(list.id, name)),
      clearCompleted: (list, n) => this.undoable(workspace.clearCompleted(list.id), `Deleted ${count(n, 'completed todo')}`),
      setDone: (todo, done) => this.attempt(workspace.setDone(todo.id, done)),
      setText: (edited) => this.attempt(workspace.setText(edited).then((found) => this.offerBack(found, edited))),
      remove: (todo) => this.undoable(workspace.deleteTodo(todo), `Deleted “${todo.title}”`),
      move: (todo, before, after) => this.attempt(workspace.moveTodo(todo, before, after)),
      announce: (text) => toasts.announce(text),
    });
    this.welcome = new Welcome((name) => this.addList(name));
    this.badge = new Badge(() => this.openPanel());
    this.panel = new SyncPanel({
      setOffline: (offline) => this.setOffline(offline),
      retry: (write) => this.attempt(write.retry().then(() => this.refreshWrites())),
      discard: (write) => this.attempt(write.discard().then(() => this.refreshWrites())),
    });
    this.account = new Account(session.user, {
      signOut: (removeData) => {
        this.stop();
        if (removeData) this.reach.forget();
        leave(removeData);
      },
    });
    this.menuButton = h(
      'button',
      {
        class: 'tool menu-button',
        type: 'button',
        'aria-label': 'Lists',
        'aria-controls': 'sidebar',
        'aria-expanded': 'false',
        on: { click: () => this.showMenu(true) },
      },
      icon('menu'),
    );
    this.layout = this.makeLayout();
    this.feed = new Feed(
      session.db,
      () => this.show(),
      (error) => this.fail(error),
    );
    this.listen();
  }

  private stop(): void {
    this.ends.abort();
    this.feed.stop();
    this.reach.stop();
    for (const dialog of [this.panel.dialog, this.account.dialog, this.help]) dialog.close();
  }

  private makeLayout(): HTMLElement {
    const scrim = h('div', { class: 'scrim', on: { click: () => this.showMenu(false) } });
    const bar = h('div', { class: 'top-bar' }, this.menuButton, this.badge.node);
    const page = h('div', { class: 'page' }, bar, this.main);
    return h('div', { class: 'layout' }, this.sidebar.node, scrim, page, this.panel.dialog.node, this.account.dialog.node, this.help.node);
  }

  private listen(): void {
    const { db } = this.session;
    const { signal } = this.ends;
    const stops = [db.status.subscribe((status) => this.showStatus(status)), db.on('error', (error) => this.background(error))];
    const clock = setInterval(() => this.showStatus(this.known), CLOCK_MS);
    signal.addEventListener('abort', () => {
      clearInterval(clock);
      for (const stop of stops) stop();
    });
    db.ready.catch((error: unknown) => this.fail(error));
    window.addEventListener('hashchange', () => this.feed.go(placeOf(location.hash)), { signal });
    window.addEventListener('keydown', (event) => event.key === 'Escape' && this.showMenu(false), { signal });
    listenForShortcuts(
      {
        a: () => (this.feed.model.place.listId ? this.pane.composer.focus() : this.welcome.focus()),
        l: () => this.focusNewList(),
        n: () => this.pane.todos.focused()?.editNote(),
        o: () => this.setOffline(!this.session.switchedOff),
        s: () => this.openPanel(),
        '?': () => this.help.open(),
        '[': () => this.goToList(-1),
        ']': () => this.goToList(1),
        'mod+z': () => this.undo(),
        ...Object.fromEntries(FILTERS.map((filter, index) => [String(index + 1), () => this.goToFilter(filter)])),
      },
      signal,
    );
  }

  // What is shown

  private show(): void {
    if (this.ends.signal.aborted) return;
    const content = this.content();
    if (this.node.firstElementChild !== content) fill(this.node, content);
    if (content !== this.layout) return;
    const { model } = this.feed;
    const list = model.lists?.find(({ id }) => id === model.place.listId);
    this.sidebar.update(model);
    this.layout.classList.toggle('without-lists', model.lists?.length === 0);
    if (list) this.pane.update(model, list);
    const inside: Child = list ? this.pane.node : model.lists?.length === 0 && this.welcome.node;
    if (this.main.firstElementChild !== (inside || null)) fill(this.main, inside);
    if (list && this.focusNext) this.pane.composer.focus();
    if (list) this.focusNext = null;
    this.remember(model.place);
    document.title = list ? `${list.name} · Seaworthy Todos` : 'Seaworthy Todos';
  }

  private content(): HTMLElement {
    if (this.failed !== null) return failedCover(this.failed);
    if (this.status.owner === 'other-tab') return otherTabCover();
    return this.feed.model.lists === null ? (this.node.querySelector<HTMLElement>('.cover-opening') ?? openingCover()) : this.layout;
  }

  private showStatus(known: Status): void {
    const before = this.status;
    const status = this.reach.shown(known);
    this.known = known;
    this.status = status;
    const now = Date.now();
    const off = this.session.switchedOff;
    this.badge.update(status, off, now);
    this.panel.update(status, off, now);
    this.sidebar.setOffline(off);
    this.welcome.update(status.lastSyncedAt !== null, status.connection === 'online' || status.connection === 'connecting');
    if (status.owner !== before.owner) this.show();
    if (status.rejected > before.rejected) this.tellRejected(status.rejected - before.rejected);
    if (this.panel.dialog.isOpen && (status.pending !== before.pending || status.rejected !== before.rejected)) void this.refreshWrites();
  }

  private tellRejected(n: number): void {
    const text = `The server refused ${count(n, 'change')}. ${n === 1 ? 'It was' : 'They were'} taken back here.`;
    this.toasts.show(text, { label: 'Show', run: () => this.openPanel() }, 'problem');
  }

  private openPanel(): void {
    this.toasts.hide();
    this.panel.dialog.open();
    void this.refreshWrites();
  }

  private async refreshWrites(): Promise<void> {
    try {
      this.panel.showWrites(await writesOf(this.session.db));
    } catch (error) {
      this.problem(error);
    }
  }

  private showMenu(open: boolean): void {
    const had = this.layout.classList.contains('menu-open');
    this.layout.classList.toggle('menu-open', open);
    setAttribute(this.menuButton, 'aria-expanded', open ? 'true' : 'false');
    if (open) this.sidebar.node.querySelector<HTMLElement>('a, input')?.focus();
    else if (had && this.sidebar.node.contains(document.activeElement)) this.menuButton.focus();
  }

  // Where the person is

  private remember(place: Place): void {
    const hash = hashOf(place);
    if (hash !== location.hash) history.replaceState(null, '', `${location.pathname}${location.search}${hash}`);
  }

  private goTo(place: Place): void {
    history.pushState(null, '', hashOf(place));
    this.feed.go(place);
  }

  private goToFilter(filter: Filter): void {
    const { listId } = this.feed.model.place;
    if (listId) this.goTo({ listId, filter });
  }

  private goToList(step: number): void {
    const { lists, place } = this.feed.model;
    const index = lists?.findIndex((list) => list.id === place.listId) ?? -1;
    const next = lists?.[index + step];
    if (next) this.goTo({ listId: next.id, filter: 'all' });
  }

  private focusNewList(): void {
    this.showMenu(true);
    this.sidebar.focusNewList();
  }

  // What the person does

  private addList(name: string): void {
    this.attempt(
      this.session.workspace.addList(name).then((listId) => {
        this.focusNext = 'composer';
        this.showMenu(false);
        this.goTo({ listId, filter: 'all' });
      }),
    );
  }

  private setOffline(offline: boolean): void {
    this.attempt(this.session.switchOff(offline));
    this.showStatus(this.known);
    this.toasts.announce(offline ? 'Working offline' : 'Working online');
  }

  private undoable(deletion: Promise<Undo>, text: string): void {
    this.attempt(
      deletion.then((undo) => {
        const takeBack = this.undoStack.push(undo);
        this.toasts.show(text, { label: 'Undo', run: () => this.attempt(takeBack()) });
      }),
    );
  }

  /** What somebody else deleted while it was edited here is not lost without a word. */
  private offerBack(found: boolean, edited: Todo): void {
    if (found) return;
    const run = () => this.attempt(this.session.workspace.restoreTodo(edited));
    this.toasts.show(`“${edited.title}” was deleted meanwhile.`, { label: 'Keep it', run });
  }

  private undo(): void {
    this.toasts.hide();
    this.attempt(this.undoStack.undo().then((done) => this.toasts.announce(done ? 'Taken back' : 'Nothing to undo')));
  }

  private attempt(work: Promise<void>): void {
    work.catch((error: unknown) => this.problem(error));
  }

  private problem(error: unknown): void {
    if (!this.ends.signal.aborted) this.toasts.show(failure(error), undefined, 'problem');
  }

  /** What fails without a person having done anything: the badge tells of the network, so only what a person can help is said. */
  private background(error: SeaworthyError): void {
    if (error.cause instanceof SeaworthyError) this.problem(error.cause);
    else if (!error.retryable) this.problem(error);
  }

  private fail(error: unknown): void {
    if (this.ends.signal.aborted) return;
    this.failed = failure(error);
    this.show();
  }
}
