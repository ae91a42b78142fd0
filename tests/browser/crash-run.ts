// `npm run crash -- --kills N [--seed S] [--tabs T] [--browser chromium|firefox] [--tier opfs|indexeddb]`: N kills in each browser
// and tier, and a line for every one.

import { parseArgs } from 'node:util';
import { type CrashTier, crash, TIERS } from './crash.js';
import { BROWSERS, type BrowserName } from './harness.js';

const { values } = parseArgs({
  options: {
    kills: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    tabs: { type: 'string', default: '2' },
    browser: { type: 'string' },
    tier: { type: 'string' },
  },
});
const [kills, seed, tabs] = [Number(values.kills), Number(values.seed), Number(values.tabs)];
const browsers = BROWSERS.filter((name) => values.browser === undefined || name === values.browser);
const tiers = TIERS.filter((name) => values.tier === undefined || name === values.tier);
if (![kills, seed, tabs].every((number) => Number.isSafeInteger(number) && number > 0) || browsers.length === 0 || tiers.length === 0) {
  throw new Error(`--kills, --seed and --tabs are whole numbers from 1 on, --browser is one of ${BROWSERS.join(', ')}, --tier is one of ${TIERS.join(', ')}.`);
}

for (const browser of browsers) {
  for (const tier of tiers) await run(browser, tier);
}

async function run(browser: BrowserName, tier: CrashTier): Promise<void> {
  const place = `${browser}, ${tier}`;
  const begun = performance.now();
  try {
    const report = await crash({ browser, tier, seed, kills, tabs, note: (line) => process.stdout.write(`${place} ${line}\n`) });
    const seconds = ((performance.now() - begun) / 1000).toFixed(0);
    const victims = Object.entries(report.kills).map(([victim, count]) => `${count} ${victim}`);
    process.stdout.write(
      `\n${place}: ${kills} kills in ${seconds} s (${victims.join(', ')}), ${report.inWrites} of them in the middle of writes.\n` +
        `${report.acknowledged} writes were acknowledged and none lost; ${report.unheard} more were committed, and the kill came before anybody heard of it.\n` +
        `Opening again took at most ${report.slowestOpenMs.toFixed(0)} ms, and a tab that outlived another was answered after at most ${report.slowestHandOverMs.toFixed(0)} ms.\n\n`,
    );
  } catch (error) {
    const plan = `--browser ${browser} --tier ${tier} --seed ${seed} --tabs ${tabs} --kills ${kills}`;
    process.stderr.write(`\n${place} failed; the same plan again: npm run crash -- ${plan}\n`);
    throw error;
  }
}
