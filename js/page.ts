import type { Connection } from './connection.js';

/**
 * Ends the worker when the page goes to the back-forward cache, is frozen or is left, so that its lock and its file handles
 * are free for another tab, and starts one again when the page comes back. A worker that is busy is not asked: the page may
 * be frozen before it answers. Returns what stops the watching.
 */
export function watchPage(connection: Pick<Connection, 'start' | 'stop'>): () => void {
  const stop = (): void => connection.stop();
  const start = (): void => connection.start();
  const shown = (event: PageTransitionEvent): void => {
    if (event.persisted) start();
  };
  addEventListener('pagehide', stop);
  addEventListener('pageshow', shown);
  document.addEventListener('freeze', stop);
  document.addEventListener('resume', start);
  return () => {
    removeEventListener('pagehide', stop);
    removeEventListener('pageshow', shown);
    document.removeEventListener('freeze', stop);
    document.removeEventListener('resume', start);
  };
}
