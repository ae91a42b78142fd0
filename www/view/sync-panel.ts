// What waits to be sent, and what the server refused and why.

import type { PendingWrite, RejectedWrite, Status } from 'seaworthy';
import { type Child, fill, h, setText } from '../element.js';
import { ago, atLength, deed, type Names, reason } from '../wording.js';
import { Dialog } from './dialog.js';
import { OfflineSwitch } from './offline-switch.js';

/** More than these are counted, not listed. */
const MAX_LISTED = 50;

export interface SyncPanelActions {
  setOffline(offline: boolean): void;
  retry(write: RejectedWrite): void;
  discard(write: RejectedWrite): void;
}

export interface Writes {
  readonly pending: readonly PendingWrite[];
  readonly rejected: readonly RejectedWrite[];
  readonly names: Names;
}

export class SyncPanel {
  readonly dialog: Dialog;
  private readonly sentence = h('p', { class: 'panel-sentence' });
  private readonly synced = h('p', { class: 'panel-synced' });
  private readonly problem = h('p', { class: 'panel-problem' });
  private readonly sections = h('div', { class: 'panel-sections' });
  private readonly offline: OfflineSwitch;

  constructor(private readonly actions: SyncPanelActions) {
    this.offline = new OfflineSwitch((offline) => actions.setOffline(offline));
    this.dialog = new Dialog('Synchronisation', 'panel', this.sentence, this.synced, this.problem, this.offline.node, this.sections);
  }

  update(status: Status, switchedOff: boolean, now: number): void {
    setText(this.sentence, atLength(status, switchedOff));
    setText(this.synced, status.lastSyncedAt === null ? 'Not yet in step with the server.' : `Last in step with the server: ${ago(status.lastSyncedAt, now)}.`);
    setText(this.problem, status.error && !switchedOff ? status.error.message : '');
    this.problem.hidden = this.problem.textContent === '';
    this.offline.update(switchedOff);
  }

  showWrites({ pending, rejected, names }: Writes): void {
    const shownRejected = rejected.slice(0, MAX_LISTED).map((write) => this.rejectedItem(write, names));
    const shownPending = pending.slice(0, MAX_LISTED).map((write) => pendingItem(write, names));
    fill(
      this.sections,
      rejected.length > 0 && section(`Refused by the server (${rejected.length})`, 'rejected', shownRejected, rejected.length),
      section(`Waiting to be sent (${pending.length})`, 'pending', shownPending, pending.length),
    );
  }

  private rejectedItem(write: RejectedWrite, names: Names): HTMLLIElement {
    const what = deed(write.changes, names);
    return h(
      'li',
      { class: 'write' },
      h('span', { class: 'write-deed' }, what),
      h('span', { class: 'write-reason' }, reason(write)),
      h(
        'div',
        { class: 'write-actions' },
        h('button', { class: 'button', type: 'button', 'aria-label': `Try again: ${what}`, on: { click: () => this.actions.retry(write) } }, 'Try again'),
        h(
          'button',
          { class: 'button button-quiet', type: 'button', 'aria-label': `Discard: ${what}`, on: { click: () => this.actions.discard(write) } },
          'Discard',
        ),
      ),
    );
  }
}

function pendingItem(write: PendingWrite, names: Names): HTMLLIElement {
  const when = ago(write.committedAt, Date.now());
  return h('li', { class: 'write' }, h('span', { class: 'write-deed' }, deed(write.changes, names)), h('span', { class: 'write-when' }, when));
}

function section(title: string, kind: string, items: readonly HTMLLIElement[], total: number): HTMLElement {
  const more: Child = total > items.length && h('p', { class: 'panel-empty' }, `and ${total - items.length} more`);
  const content = items.length > 0 ? h('ul', { class: 'writes' }, ...items) : h('p', { class: 'panel-empty' }, 'Nothing. All of it has arrived.');
  return h('section', { class: 'panel-section', 'data-kind': kind }, h('h3', {}, title), content, more);
}
