// `npm run sim -- --seed S --count N [--workload W]`: the deterministic simulation, from the seeds S, S+1, … S+N-1.

import { main, run } from './command.mjs';
import { setup } from './setup.mjs';

main(async () => {
  await setup({ browsers: false });
  await run('cargo', ['run', '--profile', 'sim', '-q', '-p', 'seaworthy-tests', '--bin', 'sim', '--', ...process.argv.slice(2)]);
});
