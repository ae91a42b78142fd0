// The page of a signed-in user: views on one side, the database on the other, and what a person does in between.

import type { Status } from 'seaworthy';
import { Address } from './address.js';
import { Attempts } from './attempts.js';
import { Conflicts, type Question } from './conflicts.js';
import { fill, h } from './element.js';
import { failure } from './failure.js';
import { Feed } from './feed.js';
import { FILTERS } from './model.js';
import type { Session } from './session.js';
import { listenForShortcuts } from './shortcuts.js';
import { Account } from './view/account.js';
import { Badge } from './view/badge.js';
import { ConflictCards } from './view/conflict-card.js';
import { failedCover, openingCover, outdatedCover } from './view/cover.js';
import { Frame } from './view/frame.js';
import { helpDialog } from './view/help.js';
import { ListPane } from './view/list-pane.js';
import { Sidebar } from './view/sidebar.js';
import { SyncPanel } from './view/sync-panel.js';
import type { Toasts } from './view/toast.js';
import { Welcome } from './view/welcome.js';
import { count } from './wording.js';
import { writesOf } from './writes.js';

/** How often "2 min ago" is brought up to date. */
const CLOCK_MS = 20_000;
/** Refusals that come within this time are one message. */
const TOGETHER_MS = 2000;

export class Screen {
  readonly node = h('div', { class: 'screen' }, openingCover());
  private readonly ends = new AbortController();
  private readonly attempts: Attempts;
  private readonly feed: Feed;
  private readonly address: Address;
  private readonly sidebar: Sidebar;
  private readonly pane: ListPane;
  private readonly welcome: Welcome;
  private readonly badge: Badge;
  private readonly cards = new ConflictCards();
  private readonly conflicts: Conflicts;
  private readonly panel: SyncPanel;
  private readonly account: Account;
  private readonly help = helpDialog();
  private readonly frame: Frame;
  private status: Status;
  private failed: string | null = null;
  /** Todos that wait for a choice. */
  private questions = 0;
  /** Refusals that were told in the last moments. */
  private told = 0;
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
    this.frame = new Frame(this.sidebar.node, this.badge.node, this.cards.node, this.panel.dialog.node, this.account.dialog.node, this.help.node);
    this.feed = new Feed(
      session.db,
      () => this.show(),
      (error) => this.fail(error),
    );
    this.address = new Address(this.feed, this.ends.signal);
    this.conflicts = new Conflicts(session.db, (questions) => this.ask(questions));
    this.listen();
  }

  private makeSidebar(): Sidebar {
    const { workspace, user } = this.session;
    return new Sidebar(user, {
      addList: (name) => this.addList(name),
      renameList: (list, name) => this.attempts.attempt(workspace.renameList(list.id, name)),
      deleteList: (list) => this.attempts.undoable(workspace.deleteList(list), `Deleted the list “${list.name}”`),
      choose: () => this.frame.showMenu(false),
      setOffline: (offline) => this.setOffline(offline),
      openAccount: () => this.account.open(this.status.pending),
      openHelp: () => this.help.open(),
    });
  }

  private makePane(): ListPane {
    const { workspace } = this.session;
    const { attempts } = this;
    return new ListPane({
      add: (list, titles) => attempts.attempt(workspace.addTodos(list.id, titles)),
      renameList: (list, name) => attempts.attempt(workspace.renameList(list.id, name)),
      clearCompleted: (list, n) => attempts.undoable(workspace.clearCompleted(list.id), `Deleted ${count(n, 'completed todo')}`),
      setDone: (todo, done) => attempts.attempt(workspace.setDone(todo.id, done)),
      setText: (edited) => attempts.keepable(workspace.setText(edited), edited.title, () => workspace.restoreTodo(edited)),
      remove: (todo) => attempts.undoable(workspace.deleteTodo(todo), `Deleted “${todo.title}”`),
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

  private listen(): void {
    const { db } = this.session;
    const { signal } = this.ends;
    const stops = [
      db.status.subscribe((status) => this.showStatus(status)),
      db.on('error', (error) => this.attempts.background(error)),
      db.on('rejected', () => this.tellRejected()),
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
    const list = model.lists?.find(({ id }) => id === model.place.listId);
    this.sidebar.update(model);
    if (list) this.pane.update(model, list);
    const inside = list ? this.pane.node : this.welcome.node;
    // A list that was just made is not among the lists for a moment: what is shown stays.
    const settled = list !== undefined || model.lists?.length === 0;
    if (settled && this.frame.main.firstElementChild !== inside) fill(this.frame.main, inside);
    if (list && this.composeNext) {
      this.composeNext = false;
      this.pane.composer.focus();
    }
    this.address.remember(model.place);
    document.title = list ? `${list.name} · Seaworthy Todos` : 'Seaworthy Todos';
  }

  private showStatus(status: Status): void {
    const before = this.status;
    this.status = status;
    const now = Date.now();
    const off = this.session.switchedOff;
    this.badge.update(status, off, this.questions, now);
    this.panel.update(status, off, now);
    this.sidebar.setOffline(off);
    this.welcome.update(status.lastSyncedAt !== null, status.connection === 'online' || status.connection === 'connecting');
    if (status.owner !== before.owner) this.show();
    if (this.panel.dialog.isOpen && (status.pending !== before.pending || status.rejected !== before.rejected)) void this.refreshWrites();
  }

  private ask(questions: readonly Question[]): void {
    this.cards.update(questions);
    this.questions = questions.length;
    this.showStatus(this.status);
  }

  /** Several at once are told as one. */
  private tellRejected(): void {
    const n = ++this.told;
    if (n === 1) setTimeout(() => (this.told = 0), TOGETHER_MS);
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
      this.attempts.problem(error);
    }
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
    for (const dialog of [this.panel.dialog, this.account.dialog, this.help]) dialog.close();
    this.leave(removeData);
  }

  private fail(error: unknown): void {
    if (this.ends.signal.aborted) return;
    this.failed = failure(error);
    this.show();
  }
}
