// `npm run load -- --replicas N --users U --seconds S --writers W [--rate R] [--hostile] [--server path]`: the real
// server under thousands of replicas. `--help` lists all options.

import { main, run } from './command.mjs';
import { setup } from './setup.mjs';

main(async () => {
  await setup({ browsers: false });
  const args = process.argv.slice(2);
  // Apart: the tests switch on points at which the server dies.
  if (!args.some((arg) => arg.startsWith('--server'))) await run('cargo', ['build', '--release', '-q', '-p', 'seaworthy-server']);
  await run('cargo', ['run', '--release', '-q', '-p', 'seaworthy-tests', '--bin', 'load', '--', ...args]);
});
