// What a visitor downloads, and how large it may be.

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { root } from './command.mjs';

const FILES = ['seaworthy.wasm', 'worker.js', 'index.js'];

/** Bytes of all files together, as brotli: a little above what they have. Whoever raises it says what for. */
export const MAX_BROTLI_BYTES = 720_000;

/** The size in bytes of each file: `{ name, raw, gzip, brotli }`. */
export function sizes() {
  return Promise.all(
    FILES.map(async (name) => {
      const bytes = await readFile(path.join(root, 'dist', name));
      return { name, raw: bytes.length, gzip: gzipSync(bytes, { level: constants.Z_BEST_COMPRESSION }).length, brotli: brotli(bytes) };
    }),
  );
}

function brotli(bytes) {
  const params = { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length };
  return brotliCompressSync(bytes, { params }).length;
}
