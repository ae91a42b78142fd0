// What the page says about connections and writes, in words of a person and not of the machine.

import type { RowChange, Status } from 'seaworthy';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export type Tone = 'calm' | 'busy' | 'off' | 'problem';

const UNABLE: ReadonlySet<Status['connection']> = new Set(['needs-auth', 'upgrade-required', 'user-changed']);

export function toneOf(status: Status): Tone {
  if (status.rejected > 0 || UNABLE.has(status.connection)) return 'problem';
  if (status.connection === 'online') return status.pending > 0 ? 'busy' : 'calm';
  return status.connection === 'connecting' ? 'busy' : 'off';
}

/** The state in one or two words. */
export function briefly(status: Status, switchedOff: boolean): string {
  switch (status.connection) {
    case 'online':
      return status.pending > 0 ? 'Saving' : 'Up to date';
    case 'connecting':
      return 'Connecting';
    case 'needs-auth':
      return 'Not signed in';
    case 'upgrade-required':
      return 'Out of date';
    case 'user-changed':
      return 'Another user';
    case 'closed':
      return 'Closed';
    default:
      return switchedOff ? 'Working offline' : 'Offline';
  }
}

/** What waits, or when it was last in step with the server. */
export function waiting(status: Status, now: number): string {
  if (status.rejected > 0) return `${status.rejected} refused`;
  if (status.pending > 0) return `${count(status.pending, 'change')} to send`;
  return status.lastSyncedAt === null ? '' : `Synced ${ago(status.lastSyncedAt, now)}`;
}

/** The state in a sentence. */
export function atLength(status: Status, switchedOff: boolean): string {
  switch (status.connection) {
    case 'online':
      return status.pending > 0 ? 'Your changes are on their way to the server.' : 'Everything on this device is on the server too.';
    case 'connecting':
      return 'Looking for the server. You can go on working meanwhile.';
    case 'needs-auth':
      return 'The server does not accept this sign-in. Your changes are kept on this device until you sign in again.';
    case 'upgrade-required':
      return 'This page is older than the server. Reload it; your changes are kept.';
    case 'user-changed':
      return 'The data on this device belongs to somebody else. Sign out, then in again.';
    case 'closed':
      return 'The database is closed. Reload the page to open it again.';
    default:
      return switchedOff
        ? 'You have switched the network off for this page. Changes are kept on this device and sent when you switch it on.'
        : 'There is no connection to the server. Changes are kept on this device and sent when it is back.';
  }
}

export function ago(moment: Date | number, now: number): string {
  const passed = now - Number(moment);
  if (passed < MINUTE_MS) return 'just now';
  if (passed < HOUR_MS) return `${Math.floor(passed / MINUTE_MS)} min ago`;
  if (passed < DAY_MS) return `${Math.floor(passed / HOUR_MS)} h ago`;
  return new Date(moment).toLocaleDateString(undefined, { day: 'numeric', month: 'short' });
}

export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`;
}

const REASONS: Readonly<Record<string, string>> = {
  forbidden: 'You may not change this, or its list is gone.',
  constraint: 'It does not fit what is on the server.',
  foreign_key: 'Its list has been deleted meanwhile.',
  row_deleted: 'It has been deleted meanwhile.',
  depends_on: 'A change that it builds on was refused.',
  conflict: 'Somebody else changed it first.',
  discarded: 'Somebody else changed it first.',
};

export function reason(code: string, message: string): string {
  return REASONS[code] ?? message;
}

/** Names of rows by their keys, for changes that do not carry them. */
export type Names = ReadonlyMap<string, string>;

/** A write in a line: what a person did. */
export function deed(changes: readonly RowChange[], names: Names): string {
  const [first] = changes;
  if (!first) return 'Changed something';
  if (changes.length === 1) return single(first, names);
  const list = changes.find((change) => change.table === 'lists');
  if (list) return `${single(list, names)} with ${count(changes.length - 1, 'todo')}`;
  const same = changes.every((change) => change.op === first.op);
  const verb = !same ? 'Changed' : first.op === 'update' && 'position' in first.new ? 'Reordered' : VERBS[first.op];
  return `${verb} ${count(changes.length, 'todo')}`;
}

const VERBS: Readonly<Record<RowChange['op'], string>> = { insert: 'Added', update: 'Changed', delete: 'Deleted' };

function single(change: RowChange, names: Names): string {
  const list = change.table === 'lists';
  const label = list ? 'name' : 'title';
  const known = change.op === 'delete' ? change.old[label] : change.op === 'insert' ? change.new[label] : names.get(String(change.key.id));
  const what = `${list ? 'the list ' : ''}“${String(known ?? '…')}”`;
  if (change.op === 'insert') return `Added ${what}`;
  if (change.op === 'delete') return `Deleted ${what}`;
  if (label in change.new) return `Renamed ${list ? 'the list ' : ''}“${String(change.old[label] ?? '…')}” to “${String(change.new[label])}”`;
  if ('done' in change.new) return `${change.new.done ? 'Completed' : 'Reopened'} ${what}`;
  if ('note' in change.new) return `Changed the note of ${what}`;
  return 'position' in change.new ? `Moved ${what}` : `Changed ${what}`;
}
