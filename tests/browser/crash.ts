// Kills tabs, workers, renderers and whole browsers in the middle of writes, and looks at what is left. A seed names when each
// kill comes and what it hits. Acknowledgements leave the browser before the kill, by a witness that nothing in it can take back.

import assert from 'node:assert/strict';
import type { BrowserName } from './harness.js';
import { InstalledBrowser, killProcess, type Tab } from './installed.js';
import { Ledger } from './ledger.js';
import { Random } from './random.js';
import { holdsRows, loaded, openIn, reload, settled } from './sdk-stage.js';
import type { Held } from './sdk-writer.js';
import { pause, TestServer } from './server.js';
import { Site } from './site.js';

/** What is killed: behind the page's back, or with the page. */
export const VICTIMS = {
  chromium: ['worker', 'tab', 'page', 'renderer', 'browser'],
  firefox: ['worker', 'tab', 'renderer', 'browser'],
} as const satisfies Record<BrowserName, readonly Victim[]>;

/** What of a database can outlive its page. */
export const TIERS = ['opfs', 'indexeddb'] as const;
export type CrashTier = (typeof TIERS)[number];

type Victim = 'worker' | 'tab' | 'page' | 'renderer' | 'browser';

export interface CrashPlan {
  readonly browser: BrowserName;
  /** Where the database is kept. */
  readonly tier: CrashTier;
  readonly seed: number;
  readonly kills: number;
  /** How many tabs write; one of them is killed, and those that outlive it must go on. */
  readonly tabs: number;
  /** Called after each kill with what was seen. */
  readonly note?: (line: string) => void;
}

/** What a run saw. */
export interface CrashReport {
  readonly kills: Readonly<Record<string, number>>;
  /** Kills that came after writes had been acknowledged, and while others were under way: no lane ever rests. */
  readonly inWrites: number;
  readonly acknowledged: number;
  /** Writes that were committed, and whose acknowledgement was killed. */
  readonly unheard: number;
  /** How long opening took after a kill, in milliseconds, the longest. */
  readonly slowestOpenMs: number;
  /** How long it took after a kill until another tab was answered, in milliseconds, the longest. */
  readonly slowestHandOverMs: number;
}

/** A database gets so many kills; then it synchronises, and the next one begins. */
const KILLS_PER_DATABASE = 10;
const LANES = 3;
/** A kill comes at most so long after the first write was acknowledged. */
const MAX_WRITING_MS = 250;
/** One kill in so many comes at most so long after the page has begun to open the database. */
const OPENING_ONE_IN = 6;
const MAX_OPENING_MS = 60;
/** Thousands of writes, to a server that was built for debugging. */
const SYNCHRONISED_WITHIN_MS = 120_000;

/** Runs the plan. Throws at the first loss. */
export async function crash(plan: CrashPlan): Promise<CrashReport> {
  const site = await Site.build();
  const ledger = await Ledger.open();
  const server = await TestServer.start({ www: site.folder });
  const browser = await InstalledBrowser.start(plan.browser);
  try {
    return await new CrashRun(plan, browser, server, ledger).run();
  } finally {
    await browser.remove();
    await server.remove();
    await ledger.remove();
    await site.remove();
  }
}

class CrashRun {
  private readonly random: Random;
  private readonly counts: Record<string, number> = {};
  private inWrites = 0;
  private acknowledged = 0;
  private unheard = 0;
  private slowestOpenMs = 0;
  private slowestHandOverMs = 0;

  constructor(
    private readonly plan: CrashPlan,
    private readonly browser: InstalledBrowser,
    private readonly server: TestServer,
    private readonly ledger: Ledger,
  ) {
    this.random = new Random(plan.seed);
  }

  async run(): Promise<CrashReport> {
    let tab = await this.tab();
    for (let kill = 0; kill < this.plan.kills; kill++) {
      const database = `crash ${Math.floor(kill / KILLS_PER_DATABASE)}`;
      tab = await this.round(tab, kill, database);
      if (kill % KILLS_PER_DATABASE === KILLS_PER_DATABASE - 1 || kill === this.plan.kills - 1) await this.synchronise(tab, database);
    }
    const { counts: kills, inWrites, acknowledged, unheard, slowestOpenMs, slowestHandOverMs } = this;
    return { kills, inWrites, acknowledged, unheard, slowestOpenMs, slowestHandOverMs };
  }

  /** One kill, and a look at what is left, in the tab that is answered. */
  private async round(tab: Tab, kill: number, database: string): Promise<Tab> {
    const victims = VICTIMS[this.plan.browser];
    // Each once before any comes twice, in an order that the seed chooses.
    const victim = victims[(kill + this.plan.seed) % victims.length] as Victim;
    const durability = this.random.oneIn(4) ? 'strict' : 'relaxed';
    const opening = this.random.oneIn(OPENING_ONE_IN);
    const after = this.random.below(opening ? MAX_OPENING_MS : MAX_WRITING_MS);
    const prefix = `${database}:${kill}`;
    // What was looked at last time is still open.
    await reload(tab.page);
    await this.write(tab, database, durability, `${prefix} victim`);
    const others = await Promise.all(Array.from({ length: this.plan.tabs - 1 }, () => this.tab()));
    for (const [nth, other] of others.entries()) await this.write(other, database, durability, `${prefix} other ${nth}`);
    if (!opening) await this.ledger.heard(`${prefix} victim.`);
    await pause(after);
    const next = await this.kill(tab, victim);
    this.counts[victim] = (this.counts[victim] ?? 0) + 1;
    await this.outlive(others, victim, prefix);
    const begun = performance.now();
    await openIn(next.page, { name: database, storage: this.plan.tier, user: 'ann', online: false });
    const openMs = performance.now() - begun;
    const { tier, lost } = await next.page.run(() => db.storage.getSnapshot());
    assert.deepEqual({ tier, lost }, { tier: this.plan.tier, lost: false });
    this.slowestOpenMs = Math.max(this.slowestOpenMs, openMs);
    this.judge(await next.page.run(() => sdk.held()), database, prefix);
    const when = `${after} ms after the ${opening ? 'start' : 'first write'}, ${durability}`;
    this.plan.note?.(`${kill + 1}: ${victim}, ${when}; opened again in ${openMs.toFixed(0)} ms, ${this.acknowledged} acknowledged so far`);
    return next;
  }

  /** Lets a tab write until it is gone. */
  private async write(tab: Tab, name: string, durability: 'strict' | 'relaxed', prefix: string): Promise<void> {
    await tab.page.run(
      ({ name, durability, storage, ...writing }) => {
        globalThis.db = sdk.openDatabase({ name, durability, storage, user: 'ann', online: false });
        sdk.writeWithoutEnd(writing);
      },
      { name, durability, storage: this.plan.tier, witness: this.ledger.url, prefix, lanes: LANES },
    );
  }

  /** Sees that tabs which outlived the kill go on, and closes all. */
  private async outlive(others: readonly Tab[], victim: Victim, prefix: string): Promise<void> {
    const killed = performance.now();
    if (victim !== 'renderer' && victim !== 'browser' && others.length > 0) {
      await this.ledger.heard(`${prefix} other `, this.ledger.writes(`${prefix} other `).length + 1);
      this.slowestHandOverMs = Math.max(this.slowestHandOverMs, performance.now() - killed);
    }
    await Promise.all(others.map((other) => other.close().catch(() => {})));
  }

  /** Kills, sees that it was killed, and answers a tab that has the page loaded. */
  private async kill(tab: Tab, victim: Victim): Promise<Tab> {
    switch (victim) {
      case 'worker': {
        const ended = await tab.page.run(() => {
          for (const worker of sdk.workers) worker.terminate();
          return sdk.workers.length;
        });
        assert.ok(ended > 0, 'there must have been a worker to end');
        await reload(tab.page);
        return tab;
      }
      case 'tab':
        await tab.close();
        await assert.rejects(
          tab.page.run(() => 0),
          'the tab must be gone',
        );
        return this.tab();
      case 'page':
        await tab.crash();
        return this.tab();
      case 'renderer': {
        const pids = await this.browser.renderers();
        assert.ok(pids.length > 0, 'there must be a renderer to kill');
        await Promise.all(pids.map(killProcess));
        await tab.close().catch(() => {});
        return this.tab();
      }
      case 'browser':
        await this.browser.kill();
        await this.browser.startAgain();
        return this.tab();
    }
  }

  /** Looks at what is left, and counts it. */
  private judge(held: Held, database: string, prefix: string): void {
    this.ledger.check(held, `${database}:`);
    const acknowledged = this.ledger.writes(`${prefix} `).length;
    const committed = held.queued.filter((write) => write.rows[0]?.startsWith(`${prefix} `)).length;
    if (acknowledged > 0) this.inWrites++;
    this.acknowledged += acknowledged;
    this.unheard += committed - acknowledged;
  }

  /** What survived reaches the server, once. */
  private async synchronise(tab: Tab, database: string): Promise<void> {
    const count = await tab.page.run(() => db.tables.lists.count());
    await tab.page.run(() => db.setOnline(true));
    await settled(tab.page, SYNCHRONISED_WITHIN_MS);
    const refused = await tab.page.run(async () => (await db.writes.rejected()).map(({ message }) => message));
    assert.deepEqual(refused, [], 'what was queued must be accepted');
    await tab.page.run(() => db.close({ now: true }));
    // Another device of the same user, which knows nothing but what the server says.
    await openIn(tab.page, { name: `${database}, elsewhere`, storage: this.plan.tier, user: 'ann' });
    await holdsRows(tab.page, `${database}:`, count, SYNCHRONISED_WITHIN_MS);
    await tab.page.run(() => db.close({ now: true }));
  }

  private async tab(): Promise<Tab> {
    const tab = await this.browser.tab();
    await tab.page.goto(`${this.server.url}/`);
    await loaded(tab.page);
    return tab;
  }
}
