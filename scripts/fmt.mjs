// Formats everything, and repairs what the linter may repair.

import { main, run } from './command.mjs';
import { setup } from './setup.mjs';

main(async () => {
  await setup({ browsers: false });
  await run('cargo', ['fmt', '--all']);
  await run('node', ['node_modules/@biomejs/biome/bin/biome', 'check', '--write', '.']);
});
