// What a check is, and what it comes to.

import type { StorageTier } from 'seaworthy';
import type { Bench } from './bench.js';

/** Where a check works: the database, which a check may close and open again. */
export interface Place {
  readonly tier: StorageTier;
  readonly name: string;
  db: Bench;
}

/** One promise that is tried. It throws when it does not hold, and may say what it saw. */
export interface Check {
  readonly title: string;
  /** Of a database that outlives its page. */
  readonly kept?: boolean;
  run(place: Place): Promise<string | undefined>;
}

/** `absent`: this browser does not offer it. */
export type State = 'waiting' | 'running' | 'passed' | 'failed' | 'absent';

export interface Outcome {
  readonly title: string;
  state: State;
  ms: number;
  /** What was seen, or why it failed. */
  note: string;
}

export interface Group {
  readonly title: string;
  readonly outcomes: Outcome[];
}

export interface Report {
  readonly groups: Group[];
}

const PATIENCE_MS = 90_000;

/** Runs something as a check, and notes what it comes to. Says whether it passed. */
export async function attempt(outcome: Outcome, work: () => Promise<string | undefined>, changed: () => void): Promise<boolean> {
  outcome.state = 'running';
  changed();
  const begun = performance.now();
  let late: ReturnType<typeof setTimeout> | undefined;
  const patience = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`Nothing came of it in ${PATIENCE_MS / 1000} s.`)), PATIENCE_MS);
  });
  try {
    outcome.note = (await Promise.race([work(), patience])) ?? '';
    outcome.state = 'passed';
  } catch (error) {
    outcome.note = described(error);
    outcome.state = 'failed';
  }
  clearTimeout(late);
  outcome.ms = performance.now() - begun;
  changed();
  return outcome.state === 'passed';
}

/** An error's code and message. Those of frames are of other classes. */
export function described(error: unknown): string {
  const { code, name, message } = error as { code?: unknown; name?: string; message?: string };
  if (message === undefined) return String(error);
  const what = typeof code === 'string' ? code : name;
  return what === undefined || what === 'Error' ? message : `${what}: ${message}`;
}
