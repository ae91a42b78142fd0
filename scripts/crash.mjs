// `npm run crash -- --kills N [--seed S] [--browser B] [--tier T]`: kills tabs, workers, renderers and browsers in the middle of writes.

import { build } from './build.mjs';
import { main, run } from './command.mjs';
import { setup } from './setup.mjs';

main(async () => {
  await setup({ browsers: true });
  await build();
  await run('cargo', ['build', '-p', 'seaworthy-server']);
  await run('node', ['--import', './scripts/typescript.mjs', 'tests/browser/crash-run.ts', ...process.argv.slice(2)]);
});
