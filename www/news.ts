// What others, and the server, did to this person's lists and changes: what comes at nearly the same time is one message.

import { without } from './model.js';
import type { List } from './schema.js';
import type { Toasts } from './view/toast.js';
import { invitation, losses } from './wording.js';

/** What comes within this time is told together. */
const TOGETHER_MS = 2000;

export interface NewsActions {
  open(list: List): void;
  showRefused(): void;
}

export class News {
  private came: readonly List[] = [];
  private gone: readonly List[] = [];
  private refused = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly me: string,
    private readonly toasts: Toasts,
    private readonly actions: NewsActions,
  ) {}

  /** Nothing is said of the user's own lists: they come and go by the user's own doing, here or on another device. */
  listsMoved(came: readonly List[], gone: readonly List[]): void {
    const ofOthers = (lists: readonly List[]) => lists.filter((list) => list.owner_id !== this.me);
    const [invited, lost] = [ofOthers(came), ofOthers(gone)];
    // Of a list that came and went, only the end is news.
    this.came = [...without(this.came, lost), ...invited];
    this.gone = [...without(this.gone, invited), ...lost];
    if (invited.length > 0) this.tellInvited();
    if (lost.length > 0) this.tellLosses();
  }

  /** The server refused a change. */
  wasRefused(): void {
    this.refused++;
    this.tellLosses();
  }

  private tellInvited(): void {
    this.begin();
    const [list] = this.came;
    this.toasts.show(invitation(this.came), list && this.came.length === 1 ? { label: 'Open', run: () => this.actions.open(list) } : undefined);
  }

  private tellLosses(): void {
    this.begin();
    const names = this.gone.map((list) => list.name);
    const action = this.refused > 0 ? { label: 'Show', run: () => this.actions.showRefused() } : undefined;
    this.toasts.show(losses(names, this.refused), action, this.refused > 0 ? 'problem' : 'plain');
  }

  private begin(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      this.came = [];
      this.gone = [];
      this.refused = 0;
    }, TOGETHER_MS);
  }
}
