// What the page says about connections and writes, in words of a person and not of the machine.

import type { RejectedWrite, RowChange, Status } from 'seaworthy';
import type { Arrival, People } from './model.js';

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
  forbidden: 'You may not change this: its list is gone, or no longer shared with you.',
  constraint: 'It does not fit what is on the server.',
  foreign_key: 'Its list has been deleted meanwhile.',
  row_deleted: 'It has been deleted meanwhile, or its list is no longer shared with you.',
  depends_on: 'A change that it builds on was refused.',
  conflict: 'Somebody else changed it first.',
  discarded: 'Somebody else changed it first.',
};

export function reason({ reason, message, conflicts }: Pick<RejectedWrite, 'reason' | 'message' | 'conflicts'>): string {
  const gone = reason === 'conflict' && conflicts.length > 0 && conflicts.every(({ kind }) => kind === 'not_found');
  return REASONS[gone ? 'row_deleted' : reason] ?? message;
}

/** Names of rows by their keys, for changes that do not carry them. */
export type Names = ReadonlyMap<string, string>;

/** The row that gives a change its name: of a member, the list. */
export function namedBy(change: RowChange): string {
  return String(change.key[change.table === 'members' ? 'list_id' : 'id']);
}

/** A write in a line: what a person did. */
export function deed(changes: readonly RowChange[], names: Names): string {
  const [first] = changes;
  if (!first) return 'Changed something';
  if (changes.length === 1) return single(first, names);
  const list = changes.find((change) => change.table === 'lists');
  const todos = changes.filter((change) => change.table === 'todos').length;
  if (list) return todos === 0 ? single(list, names) : `${single(list, names)} with ${count(todos, 'todo')}`;
  const same = changes.every((change) => change.op === first.op);
  const verb = !same ? 'Changed' : first.op === 'update' && 'position' in first.new ? 'Reordered' : VERBS[first.op];
  return `${verb} ${count(changes.length, 'todo')}`;
}

const VERBS: Readonly<Record<RowChange['op'], string>> = { insert: 'Added', update: 'Changed', delete: 'Deleted' };

function single(change: RowChange, names: Names): string {
  if (change.table === 'members') return membership(change, names);
  const list = change.table === 'lists';
  const label = list ? 'name' : 'title';
  const known = change.op === 'delete' ? change.old[label] : change.op === 'insert' ? change.new[label] : names.get(namedBy(change));
  const what = `${list ? 'the list ' : ''}“${String(known ?? '…')}”`;
  if (change.op === 'insert') return `Added ${what}`;
  if (change.op === 'delete') return `Deleted ${what}`;
  if (label in change.new) return `Renamed ${list ? 'the list ' : ''}“${String(change.old[label] ?? '…')}” to “${String(change.new[label])}”`;
  if ('archived' in change.new) return change.new.archived ? `Archived ${what}` : `Brought ${what} back`;
  if ('done' in change.new) return `${change.new.done ? 'Completed' : 'Reopened'} ${what}`;
  if ('note' in change.new) return `Changed the note of ${what}`;
  return 'position' in change.new ? `Moved ${what}` : `Changed ${what}`;
}

function membership(change: RowChange, names: Names): string {
  const list = `the list “${names.get(namedBy(change)) ?? '…'}”`;
  const who = String(change.key.user_id);
  return change.op === 'delete' ? `Ended that ${who} is in ${list}` : `Invited ${who} to ${list}`;
}

/** Who is in a list, for a button beside its name. */
export function sharing({ me, owner, members }: People): string {
  if (owner !== me) return `Shared by ${owner}`;
  return members.length === 0 ? 'Share' : `Shared with ${all(members)}`;
}

/** A few names, or how many they are. */
function all(names: readonly string[]): string {
  const [first, second] = names;
  if (names.length > 2) return `${names.length} people`;
  return second === undefined ? String(first) : `${first} and ${second}`;
}

/** What came to this person from others, in a sentence. */
export function invitation(lists: readonly { readonly name: string; readonly owner_id: string }[]): string {
  const [list] = lists;
  return lists.length === 1 && list ? `${list.owner_id} shares “${list.name}” with you.` : `${lists.length} lists are shared with you now.`;
}

/** What is not seen any more, and what became of changes to it, in a message. */
export function losses(gone: readonly string[], refused: number): string {
  const lists = gone.length === 1 ? `“${gone[0]}” is no longer shared with you.` : `${gone.length} lists are no longer shared with you.`;
  if (refused === 0) return lists;
  if (gone.length === 0) return `The server refused ${count(refused, 'change')}. ${refused === 1 ? 'It was' : 'They were'} taken back here.`;
  return `${lists} ${count(refused, 'change')} of yours came too late, and ${refused === 1 ? 'is' : 'are'} kept for you to see.`;
}

/** How far the first synchronisation is. */
export function progress({ rows, fraction }: Arrival): string {
  return rows === 0 ? 'Fetching what is yours…' : `Fetching what is yours: ${count(rows, 'row')}, ${Math.floor(fraction * 100)} %`;
}
