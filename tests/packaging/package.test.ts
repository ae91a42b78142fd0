// What npm would publish, as a stranger finds it: packed, unpacked into an empty project, typed, bundled and imported.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');
const consumer = mkdtempSync(path.join(tmpdir(), 'seaworthy-packaging-'));
const installed = path.join(consumer, 'node_modules/seaworthy');

const APPLICATION = `
import { boolean, id, open, schema, sql, table, text } from 'seaworthy';
import { precache } from 'seaworthy/precache';

const app = schema({ todos: table({ id: id(), title: text(), done: boolean().default(false) }) });
const db = open({ name: 'app', schema: app });
export const urls: readonly string[] = precache;
export async function titles(): Promise<string[]> {
  await db.exec(sql\`DELETE FROM todos WHERE done = \${true}\`);
  const rows = await db.all(sql.as(app.todos)\`SELECT * FROM todos\`);
  return rows.map((row) => row.title);
}
`;

let files: string[] = [];

before(() => {
  const packed = JSON.parse(execFileSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', consumer], { cwd: root, encoding: 'utf8' }));
  files = packed[0].files.map((file: { path: string }) => file.path);
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['-xzf', path.join(consumer, packed[0].filename), '-C', installed, '--strip-components=1']);
  writeFileSync(path.join(consumer, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  writeFileSync(path.join(consumer, 'app.ts'), APPLICATION);
});

after(() => rmSync(consumer, { recursive: true, force: true }));

test('the tarball holds what is run, its types and its licence, and nothing else', () => {
  for (const file of ['dist/index.js', 'dist/worker.js', 'dist/precache.js', 'dist/seaworthy.wasm', 'dist/index.d.ts']) assert.ok(files.includes(file), file);
  const strays = files.filter(
    (file) => !/^(dist\/.*\.(js|js\.map|d\.ts|wasm)|package\.json|README\.md|CHANGELOG\.md|LICENSE.*)$/.test(file) || file.includes('.test.'),
  );
  assert.deepEqual(strays, []);
});

test('every export exists, and names its types first', () => {
  const { exports } = JSON.parse(readFileSync(path.join(installed, 'package.json'), 'utf8'));
  for (const [name, target] of Object.entries<string | Record<string, string>>(exports)) {
    const targets = typeof target === 'string' ? { default: target } : target;
    for (const file of Object.values(targets)) assert.ok(existsSync(path.join(installed, file)), `${name}: ${file}`);
    if (typeof target !== 'string') assert.equal(Object.keys(target)[0], 'types', name);
  }
});

for (const [moduleResolution, module] of [
  ['bundler', 'esnext'],
  ['nodenext', 'nodenext'],
]) {
  test(`a strict TypeScript project finds the types (${moduleResolution})`, () => {
    const compilerOptions = { strict: true, noEmit: true, target: 'es2022', lib: ['es2022', 'dom'], types: [], module, moduleResolution, skipLibCheck: false };
    const project = path.join(consumer, `tsconfig.${moduleResolution}.json`);
    writeFileSync(project, JSON.stringify({ compilerOptions, files: ['app.ts'] }));
    try {
      execFileSync('node', [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', project], { encoding: 'utf8', stdio: 'pipe' });
    } catch (error) {
      assert.fail((error as { stdout: string }).stdout);
    }
  });
}

test('a bundler takes the package, and leaves the worker and the wasm to be found by URL', async () => {
  const result = await build({
    entryPoints: [path.join(consumer, 'app.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    logLevel: 'silent',
  });
  assert.deepEqual(result.warnings, []);
  const code = result.outputFiles[0]?.text ?? '';
  assert.match(code, /worker\.js/);
  assert.match(code, /seaworthy\.wasm/);
});

test('importing it on a server starts nothing', () => {
  const script = "const before = Object.keys(globalThis).length; await import('seaworthy'); if (Object.keys(globalThis).length !== before) process.exit(3);";
  const output = execFileSync('node', ['--input-type=module', '-e', script], { cwd: consumer, encoding: 'utf8', timeout: 20_000 });
  assert.equal(output, '');
});

test('the worker has no import of its own, so that one file is enough', () => {
  const worker = readFileSync(path.join(installed, 'dist/worker.js'), 'utf8');
  assert.doesNotMatch(worker, /\bfrom\s*["']\.|\bimport\s*["']/);
});
