// Runs the checks, one after another: first where this browser keeps data at all, then each place by itself.

import type { StorageTier } from 'seaworthy';
import { type Bench, openBench } from './bench.js';
import { attempt, type Check, described, type Group, type Outcome, type Place, type Report } from './check.js';
import { dataChecks } from './data-checks.js';
import { lifeChecks, whereItIs } from './life-checks.js';

const TIERS: Readonly<Record<StorageTier, string>> = { opfs: 'In files', indexeddb: 'In IndexedDB', memory: 'In memory' };

/** Runs everything into the report. `changed` is called whenever something of a group is another than before. */
export async function run(report: Report, changed: (group: Group) => void): Promise<void> {
  report.groups.splice(0);
  const begin = (title: string): Group => {
    const group: Group = { title, outcomes: [] };
    report.groups.push(group);
    return group;
  };
  await runFirst(begin('This browser'), changed);
  for (const [tier, title] of Object.entries(TIERS)) await runTier(begin(title), tier as StorageTier, changed);
}

function outcomeOf(group: Group, title: string): Outcome {
  const outcome: Outcome = { title, state: 'waiting', ms: 0, note: '' };
  group.outcomes.push(outcome);
  return outcome;
}

/** Whether an application that asks for nothing special can keep data here. */
async function runFirst(group: Group, changed: (group: Group) => void): Promise<void> {
  const outcome = outcomeOf(group, 'Keeps the data of an application');
  const work = async (): Promise<string> => {
    const db = openBench(['opfs', 'indexeddb'], 'self-test');
    await db.ready;
    const where = await whereItIs(db);
    await db.delete({ discardPending: true });
    return where;
  };
  await attempt(outcome, work, () => changed(group));
}

async function runTier(group: Group, tier: StorageTier, changed: (group: Group) => void): Promise<void> {
  const told = (): void => changed(group);
  const name = `self-test ${tier}`;
  const checks = [...dataChecks, ...lifeChecks].filter(({ kept }) => !kept || tier !== 'memory');
  const opening = outcomeOf(group, 'Opens');
  let db: Bench | undefined;
  const work = async (): Promise<string> => {
    // A test that was left in the middle may have left one.
    const former = openBench(tier, name);
    await former.ready;
    await former.delete({ discardPending: true });
    db = openBench(tier, name);
    await db.ready;
    return whereItIs(db);
  };
  const outcomes = checks.map((check) => [check, outcomeOf(group, check.title)] as const);
  if (!(await attempt(opening, work, told)) || !db) {
    group.outcomes.splice(1);
    // What a browser does not have it need not do.
    if (/^(StorageUnavailable|InsecureContext):/.test(opening.note)) opening.state = 'absent';
    return told();
  }
  await runChecks({ tier, name, db }, outcomes, told);
}

async function runChecks(place: Place, outcomes: readonly (readonly [Check, Outcome])[], told: () => void): Promise<void> {
  for (const [check, outcome] of outcomes) await attempt(outcome, () => check.run(place), told);
  if (outcomes.some(([, { state }]) => state === 'failed')) {
    // What a failed check has left open is no use to anybody.
    await place.db.delete({ discardPending: true }).catch((error: unknown) => console.warn('Not deleted:', described(error)));
  }
}
