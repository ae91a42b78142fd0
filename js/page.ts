import type { Connection } from './connection.js';
import { pageId } from './uuid.js';

/**
 * Ends the worker when the page goes to the back-forward cache, is frozen or is left, so that its lock and its file handles
 * are free for another tab, and starts one again when the page comes back. A worker that is busy is not asked: the page may
 * be frozen before it answers. Returns what stops the watching.
 */
export function watchPage(connection: Pick<Connection, 'start' | 'stop' | 'setVisible'>): () => void {
  const stop = (): void => connection.stop();
  const start = (): void => connection.start();
  const shown = (event: PageTransitionEvent): void => {
    if (event.persisted) start();
  };
  const seen = (): void => connection.setVisible(document.visibilityState !== 'hidden');
  seen();
  document.addEventListener('visibilitychange', seen);
  addEventListener('pagehide', stop);
  addEventListener('pageshow', shown);
  document.addEventListener('freeze', stop);
  document.addEventListener('resume', start);
  return () => {
    document.removeEventListener('visibilitychange', seen);
    removeEventListener('pagehide', stop);
    removeEventListener('pageshow', shown);
    document.removeEventListener('freeze', stop);
    document.removeEventListener('resume', start);
  };
}

let alive: Promise<void> | null = null;

/**
 * Resolves when this page holds the lock that says that it lives, which it holds to its end: answers to its requests are kept
 * as long. `null` where there are no locks.
 */
export function pageLives(): Promise<void> | null {
  if (typeof navigator === 'undefined' || !navigator.locks) return null;
  alive ??= new Promise((resolve) => {
    const forever = (): Promise<void> => {
      resolve();
      return new Promise(() => {});
    };
    // Where it is refused, the worker finds that it gets none either.
    navigator.locks.request(`seaworthy:page:${pageId}`, forever).catch(() => resolve());
  });
  return alive;
}
