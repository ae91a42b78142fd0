import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ENTRY = path.join(path.dirname(fileURLToPath(import.meta.url)), 'index.ts');

/** The package, loaded where `Symbol.asyncDispose` is what is given. */
async function packageWhere(asyncDispose: 'undefined' | 'Symbol.asyncDispose'): Promise<typeof import('./index.js')> {
  const define = { 'Symbol.asyncDispose': asyncDispose };
  const { outputFiles } = await build({ entryPoints: [ENTRY], bundle: true, format: 'esm', write: false, logLevel: 'error', define });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0]?.contents ?? []).toString('base64')}`);
}

test('a database can be disposed of where the platform knows how, and the package loads where it does not', async () => {
  const disposable = async (where: 'undefined' | 'Symbol.asyncDispose'): Promise<boolean> => {
    const { open, schema } = await packageWhere(where);
    const database = open({ name: 'test', schema: schema({}), workerUrl: 'https://app.example/worker.js', wasmUrl: 'https://app.example/seaworthy.wasm' });
    return Reflect.has(database, 'undefined') || Reflect.has(database, Symbol.asyncDispose);
  };
  assert.deepEqual([await disposable('Symbol.asyncDispose'), await disposable('undefined')], [true, false]);
});
