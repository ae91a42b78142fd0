// Positions are fractions: a todo that moves gets a number between its new neighbours, and no other row is written.
// Two people who move different todos at the same time do not disturb each other.

/** Below this distance the middle of two positions is too near to either of them. */
const SMALLEST_GAP = 1e-6;

/** A position between two neighbours, `null` at an end; or `null` when there is no room and the list has to be numbered anew. */
export function between(before: number | null, after: number | null): number | null {
  if (before === null) return after === null ? 1 : after - 1;
  if (after === null) return before + 1;
  return after - before > SMALLEST_GAP ? before + (after - before) / 2 : null;
}

/** The list with the item at `from` taken out and put in at `to`. */
export function moved<T>(items: readonly T[], from: number, to: number): T[] {
  const result = [...items];
  result.splice(to, 0, ...result.splice(from, 1));
  return result;
}
