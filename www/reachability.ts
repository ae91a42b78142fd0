// The package says `connecting` as long as it looks for the server, and it never gives up. To a person, a server that has
// not been found for a while is not there; and it matters when it last was, also after a reload.

import type { Status } from 'seaworthy';
import { preference, setPreference } from './preference.js';

/** How long looking for the server is no news. */
const PATIENCE_MS = 4000;

export class Reachability {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private lost = false;
  private readonly key: string;

  /** `onLost` is called when the server has not been found for too long. */
  constructor(
    user: string,
    private readonly onLost: () => void,
  ) {
    this.key = `synced.${user}`;
  }

  /** The status as a person should see it. */
  shown(status: Status): Status {
    this.watch(status.connection === 'connecting');
    if (status.lastSyncedAt) setPreference(this.key, String(status.lastSyncedAt.getTime()));
    return { ...status, connection: this.lost ? 'offline' : status.connection, lastSyncedAt: status.lastSyncedAt ?? this.remembered() };
  }

  /** The user's data is removed from this device. */
  forget(): void {
    setPreference(this.key, null);
  }

  stop(): void {
    this.watch(false);
  }

  private watch(looking: boolean): void {
    if (!looking) {
      clearTimeout(this.timer);
      this.timer = undefined;
      this.lost = false;
    } else if (this.timer === undefined) {
      this.timer = setTimeout(() => {
        this.lost = true;
        this.onLost();
      }, PATIENCE_MS);
    }
  }

  private remembered(): Date | null {
    const time = Number(preference(this.key) ?? Number.NaN);
    return Number.isFinite(time) ? new Date(time) : null;
  }
}
