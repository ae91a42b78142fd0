// Builds what is published and what is served: js/wasm (by xtask), the npm package in dist/, and the demo in www/dist/.

import { copyFile, mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import { isMain, main, root, run, say } from './command.mjs';
import { setup } from './setup.mjs';

const DIST = path.join(root, 'dist');
const ENTRIES = ['index', 'worker', 'precache'];
const MODULE = 'seaworthy.wasm';

/**
 * Brings js/wasm, dist/ and www/dist/ up to date.
 * @param {{ dev?: boolean }} options `dev`: a wasm module that is built soon and is large.
 */
export async function build({ dev = false } = {}) {
  say(dev ? 'Building the wasm module, for development' : 'Building the wasm module');
  await run('cargo', ['run', '-q', '-p', 'seaworthy-xtask', '--', 'wasm', ...(dev ? ['--dev'] : [])]);
  say('Building the npm package (dist)');
  await buildPackage({ minify: !dev });
  say('Building the demo (www/dist)');
  const { buildDemo } = await import('../www/build.mjs');
  await buildDemo({ packageDir: DIST, minify: !dev });
}

async function buildPackage({ minify }) {
  const { build: bundle } = await import('esbuild');
  await rm(DIST, { recursive: true, force: true });
  await mkdir(DIST, { recursive: true });
  await bundle({
    entryPoints: Object.fromEntries(ENTRIES.map((name) => [name, path.join(root, 'js', `${name}.ts`)])),
    outdir: DIST,
    bundle: true,
    format: 'esm',
    // Not 'browser': it would replace NODE_ENV, which is the application's build to decide.
    platform: 'neutral',
    target: 'es2022',
    sourcemap: 'linked',
    minify,
    logLevel: 'warning',
  });
  await copyFile(path.join(root, 'js/wasm', MODULE), path.join(DIST, MODULE));
  await run('node', [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.package.json']);
}

if (isMain(import.meta)) {
  main(async () => {
    await setup({ browsers: false });
    await build({ dev: process.argv.includes('--dev') });
  });
}
