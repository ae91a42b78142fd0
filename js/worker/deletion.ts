import type { OpenRequest } from '../messages.js';
import type { Engine } from './engine.js';
import { Failure, pendingWrites } from './failure.js';

/** Why nothing may be deleted without a word about what is pending. */
export function undeletable(engine: Engine | null, { sync }: OpenRequest): Failure | null {
  if (!engine) return unreadable();
  const { pending: here, user } = engine.status();
  const pending = here + engine.pending_elsewhere();
  // Without a server and a user nothing waits for either.
  const waits = pending > 0 && (sync || user);
  return waits ? pendingWrites(pending) : null;
}

/** Nobody can tell what would be lost. */
export function unreadable(): Failure {
  return new Failure('PendingWrites', 'What is pending here cannot be read. Delete the database with { discardPending: true }.');
}
