// What a visitor downloads does not grow unseen.

import assert from 'node:assert/strict';
import { test } from 'node:test';
// @ts-expect-error a plain JavaScript module of the build
import { MAX_BROTLI_BYTES, sizes } from '../../scripts/download.mjs';

test('the wasm module and the JavaScript stay below their budget', async () => {
  const files: { name: string; brotli: number }[] = await sizes();
  const together = files.reduce((total, file) => total + file.brotli, 0);
  const listed = files.map((file) => `${file.name} ${file.brotli}`).join(', ');
  assert.ok(together <= MAX_BROTLI_BYTES, `${together} bytes as brotli are more than ${MAX_BROTLI_BYTES} (${listed})`);
});
