// `npm test`: sets up, runs every suite, and says how many tests each ran. A suite that ran nothing has failed.
// `npm test -- rust unit` runs only these.

import { main, say } from './command.mjs';
import { setup } from './setup.mjs';

const MS_PER_SECOND = 1000;

main(async () => {
  await setup({ browsers: true });
  // Imported after the set-up: the suites need the npm packages.
  const { suites } = await import('./suites.mjs');
  const chosen = process.argv.slice(2);
  const names = chosen.length > 0 ? chosen : Object.keys(suites);
  const unknown = names.filter((name) => !Object.hasOwn(suites, name));
  if (unknown.length > 0) throw new Error(`There is no suite ${unknown.join(', ')}. Suites: ${Object.keys(suites).join(', ')}`);

  const results = [];
  for (const name of names) {
    say(`Suite ${name}`);
    results.push(await result(name, suites[name]));
  }
  report(results);
});

async function result(name, suite) {
  const start = performance.now();
  const { passed, failed, note } = await suite().catch((error) => ({ passed: 0, failed: 1, note: error.message }));
  return { name, passed, failed, note, seconds: (performance.now() - start) / MS_PER_SECOND };
}

function report(results) {
  process.stdout.write('\n');
  let passed = 0;
  let failed = 0;
  for (const suite of results) {
    const ranNothing = suite.passed + suite.failed === 0;
    const note = ranNothing ? '  ran nothing' : suite.note ? `  ${suite.note}` : '';
    passed += suite.passed;
    failed += ranNothing ? 1 : suite.failed;
    process.stdout.write(`${suite.name.padEnd(10)} ${suite.passed} passed, ${suite.failed} failed  (${suite.seconds.toFixed(0)} s)${note}\n`);
  }
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
  if (failed > 0) process.exitCode = 1;
}
