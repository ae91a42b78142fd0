import type { StorageTier } from '../storage.js';
import type { Engine } from './engine.js';

/** Who can say whether the page still remembers the database. */
export interface Rememberer {
  remembers(): Promise<boolean>;
}

/**
 * Opens a database. One that the page remembered when it asked, and that is not there, is missed only if the page remembers it
 * still: another tab may have deleted it since, while this worker waited.
 */
export async function openUnlessDeleted(marked: StorageTier | null, page: Rememberer, open: (marked: StorageTier | null) => Promise<Engine>): Promise<Engine> {
  const engine = await open(marked);
  if (marked === null || !engine.status().storage_lost || (await page.remembers())) return engine;
  engine.close();
  return open(null);
}
