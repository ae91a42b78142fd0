// One signed-in user: the database, which belongs to that user alone, and whether the person keeps it off the network.

import { open } from 'seaworthy';
import { preference, setPreference } from './preference.js';
import { type AppDatabase, app } from './schema.js';
import { fetchToken } from './user.js';
import { Workspace } from './workspace.js';

export class Session {
  readonly db: AppDatabase;
  readonly workspace: Workspace;
  private off = preference('offline') === 'on';

  constructor(readonly user: string) {
    this.db = open({ name: `todos-${user}`, schema: app, online: !this.off, sync: { url: '/sync/v1', token: () => fetchToken(user) } });
    this.workspace = new Workspace(this.db, user);
  }

  /** Whether the person switched the network off. It stays so across reloads. */
  get switchedOff(): boolean {
    return this.off;
  }

  async switchOff(off: boolean): Promise<void> {
    this.off = off;
    setPreference('offline', off ? 'on' : null);
    await this.db.setOnline(!off);
  }

  /** Closes the database; `removeData` deletes it from this device, with everything that was not sent. */
  async end(removeData: boolean): Promise<void> {
    await (removeData ? this.db.delete({ discardPending: true }) : this.db.close());
  }
}
