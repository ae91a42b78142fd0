import type { ConnectionState, Owner, StatusMessage } from './messages.js';
import { Snapshot } from './snapshot.js';

/**
 * The user that a database belongs to.
 * @example
 * const user: User | null = db.user;
 */
export interface User {
  /** The token's `iss`. */
  readonly issuer: string;
  /** The token's `sub`. */
  readonly subject: string;
}

/**
 * What an application may show about a database.
 * @example
 * const badge = ({ connection, pending }: Status) => (pending > 0 ? `${pending} to send` : connection);
 */
export interface Status {
  /** `offline`, `connecting`, `online`, `needs-auth`, `needs-adopt`, `upgrade-required`, `user-changed`, or `closed`. */
  readonly connection: ConnectionState | 'closed';
  /**
   * Which tab owns the database; every tab can use it. `unresponsive`: the tab that owns it does not answer, and calls wait.
   * `outdated`: another tab runs a newer release, and this page must be reloaded.
   */
  readonly owner: 'opening' | Owner;
  /** Writes that the server has not confirmed. */
  readonly pending: number;
  /** Pending writes that cannot stand on what others wrote. */
  readonly blocked: number;
  /** Writes that the server refused and that were neither retried nor discarded. */
  readonly rejected: number;
  /** When the last checkpoint came. */
  readonly lastSyncedAt: Date | null;
  /** Whether fetch does the work because WebSockets are blocked. */
  readonly overFetch: boolean;
  /** The user, once the server has said who it is. */
  readonly user: User | null;
  /** The last failure, until it is over. */
  readonly error: { readonly code: string; readonly message: string } | null;
}

const INITIAL: Status = {
  connection: 'offline',
  owner: 'opening',
  pending: 0,
  blocked: 0,
  rejected: 0,
  lastSyncedAt: null,
  overFetch: false,
  user: null,
  error: null,
};

/** The status of a database. */
export class StatusSource extends Snapshot<Status> {
  constructor() {
    super(INITIAL);
  }
}

/** The engine's words in those of the package. */
export function fromMessage(message: StatusMessage): Partial<Status> {
  return {
    connection: message.connection,
    pending: message.pending,
    blocked: message.blocked,
    rejected: message.rejected,
    lastSyncedAt: message.last_synced_at_ms === null ? null : new Date(message.last_synced_at_ms),
    overFetch: message.over_fetch,
    user: message.user,
    error: message.error,
  };
}
