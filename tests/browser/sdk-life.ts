// What a page notes of what happens to it, and somebody in it who goes on counting.

/** How often the page looks at the clock: a longer gap is time in which it did not run. */
const TICK_MS = 20;
const LANES = 3;

/** What was seen since the page was loaded. */
export const life = { events: [] as string[], ticks: 0, longestGapMs: 0, answered: 0, lanes: 0, enough: false };

let last = performance.now();
setInterval(() => {
  const now = performance.now();
  life.ticks++;
  life.longestGapMs = Math.max(life.longestGapMs, now - last);
  last = now;
}, TICK_MS);

const note = (event: string): void => void life.events.push(event);
addEventListener('pageshow', (event) => note((event as PageTransitionEvent).persisted ? 'pageshow, persisted' : 'pageshow'));
document.addEventListener('freeze', () => note('freeze'));
document.addEventListener('resume', () => note('resume'));
document.addEventListener('visibilitychange', () => note(document.visibilityState));

/** Adds one to a counter, in several lanes, until `life.enough`. Whatever becomes of workers meanwhile, each call is answered once and counts once. */
export async function countOn(counter: string, owner: string): Promise<void> {
  await db.tables.lists.insert({ id: counter, name: counter, owner_id: owner, position: 0 });
  const lane = async (): Promise<void> => {
    life.lanes++;
    while (!life.enough) {
      const { changes } = await db.exec(sdk.sql`UPDATE lists SET position = position + 1 WHERE id = ${counter}`);
      life.answered += changes;
    }
    life.lanes--;
  };
  for (let nth = 0; nth < LANES; nth++) void lane();
}
