// The page of a signed-in user: views on one side, the database on the other, and what a person does in between.

import type { Status } from 'seaworthy';
import { Address } from './address.js';
import { Attempts } from './attempts.js';
import { Conflicts, type Question } from './conflicts.js';
import { fill, h } from './element.js';
import { failure } from './failure.js';
import { Feed } from './feed.js';
import { FILTERS, peopleOf } from './model.js';
import { News } from './news.js';
import type { List } from './schema.js';
import type { Session } from './session.js';
import { listenForShortcuts } from './shortcuts.js';
import { Account } from './view/account.js';
import { Badge } from './view/badge.js';
import { ConflictCards } from './view/conflict-card.js';
import { failedCover, openingCover, outdatedCover } from './view/cover.js';
import type { Dialog } from './view/dialog.js';
import { Frame } from './view/frame.js';
import { helpDialog } from './view/help.js';
import { ListPane } from './view/list-pane.js';
import { ArrivalStrip, Arriving } from './view/progress.js';
import { ShareDialog } from './view/share.js';
import { Sidebar } from './view/sidebar.js';
import { SyncPanel } from './view/sync-panel.js';
import type { Toasts } from './view/toast.js';
import { Welcome } from './view/welcome.js';
import { count } from './wording.js';
import { writesOf } from './writes.js';

/** How often "2 min ago" is brought up to date. */
const CLOCK_MS = 20_000;

export class Screen {
  readonly node = h('div', { class: 'screen' }, openingCover());
  private readonly ends = new AbortController();
  private readonly attempts: Attempts;
  private readonly feed: Feed;
  private readonly address: Address;
  private readonly sidebar: Sidebar;
  private readonly pane: ListPane;
  private readonly welcome: Welcome;
  private readonly arriving = new Arriving();
  private readonly strip = new ArrivalStrip();
  private readonly badge: Badge;
  private readonly cards = new ConflictCards();
  private readonly conflicts: Conflicts;
  private readonly panel: SyncPanel;
  private readonly account: Account;
  private readonly share: ShareDialog;
  private readonly news: News;
  private readonly help = helpDialog();
  private readonly frame: Frame;
  private status: Status;
  private failed: string | null = null;
  /** What waits for a choice. */
  private questions: readonly Question[] = [];
  /** Lists that the person is leaving: no news that they are gone. */
  private readonly left = new Set<string>();
  /** A list was just made: its first todo comes next. */
  private composeNext = false;

  constructor(
    private readonly session: Session,
    private readonly toasts: Toasts,
    private readonly leave: (removeData: boolean) => void,
  ) {
    this.attempts = new Attempts(toasts, this.ends.signal);
    this.status = session.db.status.getSnapshot();
    this.sidebar = this.makeSidebar();
    this.pane = this.makePane();
    this.welcome = new Welcome((name) => this.addList(name));
    this.badge = new Badge(() => this.openPanel());
    this.panel = this.makePanel();
    this.account = new Account(session.user, session.db, { signOut: (removeData) => this.signOut(removeData) });
    this.share = this.makeShare();
    this.frame = new Frame(this.sidebar.node, this.badge.node, [this.strip.node, this.cards.node], ...this.dialogs().map(({ node }) => node));
    this.feed = new Feed(session.db, session.user, {
      change: () => this.show(),
      listsMoved: (came, gone) => this.listsMoved(came, gone),
      error: (error) => this.fail(error),
    });
    this.address = new Address(this.feed, this.ends.signal);
    this.news = new News(session.user, toasts, {
      open: (list) => this.address.goTo({ listId: list.id, filter: 'all' }),
      showRefused: () => this.openPanel(),
    });
    this.conflicts = new Conflicts(session.db, (listId) => this.isSeen(listId), {
      change: (questions) => this.ask(questions),
      // What was refused before this page was opened, the badge tells.
      refused: () => {
        if (this.feed.settled) this.news.wasRefused();
      },
    });
    this.listen();
    this.feed.begin();
  }

  private makeSidebar(): Sidebar {
    const { workspace, user } = this.session;
    return new Sidebar(user, {
      addList: (name) => this.addList(name),
      renameList: (list, name) => this.attempts.attempt(workspace.renameList(list.id, name)),
      deleteList: (list) => this.deleteList(list),
      share: (list) => this.openShare(list),
      choose: () => this.frame.showMenu(false),
      setOffline: (offline) => this.setOffline(offline),
      openAccount: () => this.account.open(this.status.pending),
      openHelp: () => this.help.open(),
    });
  }

  private makePane(): ListPane {
    const { workspace, user } = this.session;
    const { attempts } = this;
    return new ListPane({
      add: (list, titles) => attempts.attempt(workspace.addTodos(list.id, titles)),
      renameList: (list, name) => attempts.attempt(workspace.renameList(list.id, name)),
      clearCompleted: (list, n) => attempts.undoable(workspace.clearCompleted(list.id), `Deleted ${count(n, 'completed todo')}`),
      setDone: (todo, done) => attempts.attempt(workspace.setDone(todo.id, done)),
      setText: (edited) => attempts.keepable(workspace.setText(edited), edited.title, () => workspace.restoreTodo(edited)),
      remove: (todo) => attempts.undoable(workspace.deleteTodo(todo), `Deleted “${todo.title}”`),
      authorOf: (todo) => (todo.owner_id === user ? null : todo.owner_id),
      share: (list) => this.openShare(list),
      archive: (list) => attempts.undoable(workspace.archive(list), `“${list.name}” is in the archive`),
      bringBack: (list) => attempts.attempt(workspace.bringBack(list)),
      move: (todo, before, after) => attempts.attempt(workspace.moveTodo(todo, before, after)),
      announce: (text) => this.toasts.announce(text),
    });
  }

  private makePanel(): SyncPanel {
    return new SyncPanel({
      setOffline: (offline) => this.setOffline(offline),
      retry: (write) => this.attempts.attempt(write.retry().then(() => this.refreshWrites())),
      discard: (write) => this.attempts.attempt(write.discard().then(() => this.refreshWrites())),
    });
  }

  private makeShare(): ShareDialog {
    const { workspace } = this.session;
    return new ShareDialog({
      invite: (list, user) => this.attempts.attempt(workspace.invite(list.id, user)),
      takeOut: (list, user) => this.attempts.attempt(workspace.takeOut(list.id, user)),
      leave: (list) => this.leaveList(list),
    });
  }

  private dialogs(): Dialog[] {
    return [this.panel.dialog, this.account.dialog, this.share.dialog, this.help];
  }

  private listen(): void {
    const { db } = this.session;
    const { signal } = this.ends;
    const stops = [
      db.status.subscribe((status) => this.showStatus(status)),
      db.on('error', (error) => this.attempts.background(error)),
      db.on('rejected', () => this.news.wasRefused()),
    ];
    const clock = setInterval(() => this.showStatus(this.status), CLOCK_MS);
    signal.addEventListener('abort', () => {
      clearInterval(clock);
      for (const stop of stops) stop();
    });
    db.ready.catch((error: unknown) => this.fail(error));
    window.addEventListener('keydown', (event) => event.key === 'Escape' && this.frame.showMenu(false), { signal });
    listenForShortcuts(
      {
        a: () => (this.feed.model.place.listId ? this.pane.composer.focus() : this.welcome.focus()),
        l: () => this.focusNewList(),
        n: () => this.pane.todos.focused()?.editNote(),
        o: () => this.setOffline(!this.session.switchedOff),
        p: () => this.openShare(this.chosen()),
        s: () => this.openPanel(),
        '?': () => this.help.open(),
        '[': () => this.address.goToList(-1),
        ']': () => this.address.goToList(1),
        'mod+z': () => this.attempts.undo(),
        ...Object.fromEntries(FILTERS.map((filter, index) => [String(index + 1), () => this.address.goToFilter(filter)])),
      },
      signal,
    );
  }

  private show(): void {
    if (this.ends.signal.aborted) return;
    const content = this.content();
    if (this.node.firstElementChild !== content) fill(this.node, content);
    if (content === this.frame.node) this.showModel();
  }

  private content(): HTMLElement {
    if (this.status.owner === 'outdated') return outdatedCover();
    if (this.failed !== null) return failedCover(this.failed);
    return this.feed.model.lists === null ? (this.node.querySelector<HTMLElement>('.cover-opening') ?? openingCover()) : this.frame.node;
  }

  private showModel(): void {
    const { model } = this.feed;
    const list = this.chosen();
    this.sidebar.update(model);
    if (list) this.pane.update(model, list);
    this.share.refresh(model.lists ?? [], (shared) => peopleOf(shared, model));
    this.conflicts.review();
    const awaited = this.awaits() && model.lists?.length === 0;
    if (awaited) this.arriving.update(model.arrival);
    this.strip.update(this.awaits() && !awaited ? model.arrival : null);
    const inside = list ? this.pane.node : awaited ? this.arriving.node : this.welcome.node;
    // A list that was just made is not among the lists for a moment: what is shown stays.
    const settled = list !== undefined || model.place.listId === null;
    if (settled && this.frame.main.firstElementChild !== inside) fill(this.frame.main, inside);
    if (list && this.composeNext) {
      this.composeNext = false;
      this.pane.composer.focus();
    }
    this.address.remember(model.place);
    document.title = list ? `${list.name} · Seaworthy Todos` : 'Seaworthy Todos';
  }

  private chosen(): List | undefined {
    const { lists, place } = this.feed.model;
    return lists?.find(({ id }) => id === place.listId);
  }

  /** Whether the server is sending what this device never had. */
  private awaits(): boolean {
    const { connection, lastSyncedAt } = this.status;
    return !this.feed.model.arrival.complete && (connection === 'online' || (connection === 'connecting' && lastSyncedAt === null));
  }

  private isSeen(listId: string): boolean {
    const { lists } = this.feed.model;
    return lists === null || lists.some(({ id }) => id === listId);
  }

  private listsMoved(came: readonly List[], gone: readonly List[]): void {
    for (const { id } of came) this.left.delete(id);
    const taken = gone.filter(({ id }) => !this.left.has(id));
    if (came.length + taken.length > 0) this.news.listsMoved(came, taken);
  }

  private showStatus(status: Status): void {
    const before = this.status;
    this.status = status;
    const now = Date.now();
    const off = this.session.switchedOff;
    this.badge.update(status, off, this.questions.length, now);
    this.panel.update(status, off, now);
    this.sidebar.setOffline(off);
    this.welcome.update(status.lastSyncedAt !== null, status.connection === 'online' || status.connection === 'connecting');
    if (status.owner !== before.owner || status.connection !== before.connection) this.show();
    if (this.panel.dialog.isOpen && (status.pending !== before.pending || status.rejected !== before.rejected)) void this.refreshWrites();
  }

  private ask(questions: readonly Question[]): void {
    this.cards.update(questions);
    this.questions = questions;
    this.showStatus(this.status);
  }

  private openPanel(): void {
    this.toasts.hide();
    this.panel.dialog.open();
    void this.refreshWrites();
  }

  private async refreshWrites(): Promise<void> {
    try {
      this.panel.showWrites(await writesOf(this.session.db, new Set(this.questions.map(({ id }) => id))));
    } catch (error) {
      this.attempts.problem(error);
    }
  }

  private openShare(list: List | undefined): void {
    if (list) this.share.open(list, peopleOf(list, this.feed.model));
  }

  private leaveList(list: List): void {
    this.left.add(list.id);
    this.attempts.attempt(this.session.workspace.leaveList(list.id).then(() => this.toasts.show(`You left “${list.name}”.`)));
  }

  /** The way back needs all that goes. */
  private deleteList(list: List): void {
    const { workspace } = this.session;
    if (this.feed.allTodosHere) this.attempts.undoable(workspace.deleteList(list), `Deleted the list “${list.name}”`);
    else this.toasts.show('Its todos are not all on this device yet. Try again when they are.', undefined, 'problem');
  }

  private focusNewList(): void {
    this.frame.showMenu(true);
    this.sidebar.focusNewList();
  }

  private addList(name: string): void {
    this.attempts.attempt(
      this.session.workspace.addList(name).then((listId) => {
        this.composeNext = true;
        this.frame.showMenu(false);
        this.address.goTo({ listId, filter: 'all' });
      }),
    );
  }

  private setOffline(offline: boolean): void {
    this.attempts.attempt(this.session.switchOff(offline));
    this.showStatus(this.status);
    this.toasts.announce(offline ? 'Working offline' : 'Working online');
  }

  private signOut(removeData: boolean): void {
    this.ends.abort();
    this.feed.stop();
    this.conflicts.stop();
    for (const dialog of this.dialogs()) dialog.close();
    this.leave(removeData);
  }

  private fail(error: unknown): void {
    if (this.ends.signal.aborted) return;
    this.failed = failure(error);
    this.show();
  }
}
