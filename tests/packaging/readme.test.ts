// The examples of the README compile as they stand, in a strict project that installed the package.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const project = mkdtempSync(path.join(tmpdir(), 'seaworthy-readme-'));

after(() => rmSync(project, { recursive: true, force: true }));

test('the examples of the README compile', () => {
  const examples = [...readFileSync(path.join(root, 'README.md'), 'utf8').matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code);
  assert.ok(examples.length > 0, 'the README has no example in TypeScript');
  mkdirSync(path.join(project, 'node_modules'));
  symlinkSync(root, path.join(project, 'node_modules/seaworthy'), 'dir');
  writeFileSync(path.join(project, 'package.json'), JSON.stringify({ name: 'reader', private: true, type: 'module' }));
  const files = examples.map((_, at) => `example-${at}.ts`);
  for (const [at, file] of files.entries()) writeFileSync(path.join(project, file), examples[at] ?? '');
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'es2022',
    lib: ['es2022', 'dom', 'esnext.disposable'],
    types: [],
    module: 'esnext',
    moduleResolution: 'bundler',
    preserveSymlinks: true,
  };
  writeFileSync(path.join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files }));
  try {
    execFileSync('node', [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', project], { encoding: 'utf8', stdio: 'pipe' });
  } catch (error) {
    assert.fail((error as { stdout: string }).stdout);
  }
});
