// What the page says when something went wrong: what it means for the person, and what to do.

import { SeaworthyError } from 'seaworthy';

const FAILURES: Readonly<Record<string, string>> = {
  ConstraintViolation: 'That does not fit what is there now: it may have been deleted meanwhile.',
  QuotaExceeded: 'This device has no room left for the change. Free some space, then try again.',
  StorageUnavailable: 'The browser does not let this page keep data. Allow storage for this site, or leave the private window.',
  InsecureContext: 'Browsers keep data only for secure pages. Open this page over https, or on localhost.',
  WorkerFailed: 'The database could not be started. Reload the page; if that does not help, check whether something blocks its worker.',
  SchemaMismatch: 'The data on this device belongs to another version of this page. Reload it to get the newest.',
  TransactionTimeout: 'The change took too long and was not made. Try again.',
  UserChanged: 'The data on this device belongs to somebody else. Sign out, then in again.',
  Closed: 'The database was closed before the change was made. Reload the page and try again.',
};

export function failure(error: unknown): string {
  if (error instanceof SeaworthyError) return FAILURES[error.code] ?? error.message;
  return error instanceof Error ? error.message : String(error);
}
