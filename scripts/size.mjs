// `npm run size`: what a visitor downloads, in bytes: raw, gzip, brotli.

import { build } from './build.mjs';
import { main } from './command.mjs';
import { sizes } from './download.mjs';
import { setup } from './setup.mjs';

const COLUMNS = ['raw', 'gzip', 'brotli'];

main(async () => {
  await setup({ browsers: false });
  await build();
  const files = await sizes();
  const together = Object.fromEntries(COLUMNS.map((column) => [column, files.reduce((total, file) => total + file[column], 0)]));
  process.stdout.write(`\n${'bytes'.padEnd(16)}${COLUMNS.map((title) => title.padStart(12)).join('')}\n`);
  for (const file of [...files, { name: 'together', ...together }]) {
    process.stdout.write(`${file.name.padEnd(16)}${COLUMNS.map((column) => file[column].toLocaleString('en').padStart(12)).join('')}\n`);
  }
});
