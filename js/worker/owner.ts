import { Failure } from './failure.js';

/** Holding the database's lock; released when called. */
export type Release = () => void;

/**
 * Takes the Web Lock of a database. It is asked for inside the worker, so that terminating the worker frees it, and it is
 * never stolen: a stolen lock comes without the file handles. `onWait` is called when another tab has it.
 */
export async function takeOwnership(name: string, onWait: () => void): Promise<Release> {
  if (!navigator.locks) {
    throw new Failure('StorageUnavailable', 'This browser has no Web Locks, which the database needs to be safe in several tabs. Update it.');
  }
  const lock = `seaworthy:${name}`;
  const now = await request(lock, { ifAvailable: true });
  if (now) return now;
  onWait();
  return request(lock, {});
}

function request(name: string, options: { ifAvailable: true }): Promise<Release | null>;
function request(name: string, options: { ifAvailable?: false }): Promise<Release>;
function request(name: string, options: LockOptions): Promise<Release | null> {
  return new Promise((resolve, reject) => {
    const held = (lock: Lock | null): Promise<void> | undefined => {
      if (lock) return new Promise((release) => resolve(release));
      resolve(null);
      return undefined;
    };
    navigator.locks.request(name, options, held).catch(reject);
  });
}
