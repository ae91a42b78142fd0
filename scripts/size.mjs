// `npm run size`: what a visitor downloads, in bytes: raw, gzip, brotli.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { build } from './build.mjs';
import { main, root } from './command.mjs';
import { setup } from './setup.mjs';

const FILES = ['seaworthy.wasm', 'worker.js', 'index.js'];

main(async () => {
  await setup({ browsers: false });
  await build();
  const rows = [];
  for (const name of FILES) {
    const bytes = await readFile(path.join(root, 'dist', name));
    const brotli = brotliCompressSync(bytes, {
      params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length },
    });
    rows.push([name, bytes.length, gzipSync(bytes, { level: 9 }).length, brotli.length]);
  }
  const sum = (column) => rows.reduce((total, row) => total + row[column], 0);
  rows.push(['together', sum(1), sum(2), sum(3)]);
  process.stdout.write(`\n${'bytes'.padEnd(16)}${['raw', 'gzip', 'brotli'].map((title) => title.padStart(12)).join('')}\n`);
  for (const [name, ...sizes] of rows) process.stdout.write(`${name.padEnd(16)}${sizes.map((size) => size.toLocaleString('en').padStart(12)).join('')}\n`);
});
