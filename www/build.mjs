// Builds the demo. A release is a folder named by the hash of its content, so that a page, its worker and
// its wasm always come from one release, and every file in it may be cached for ever. Only the pages,
// service-worker.js and the manifest keep their names. The package's files are those that `seaworthy/precache` names.

import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const here = path.dirname(fileURLToPath(import.meta.url));
const PAGES = ['index.html', 'self-test.html'];
const STATIC_FILES = ['manifest.webmanifest', 'icon.svg', 'icon-maskable.svg'];

/**
 * Writes the built demo into `outDir`.
 * @param {{ packageDir: string, outDir?: string, minify?: boolean }} options `packageDir` is the built package (`dist/`).
 * @returns {Promise<{ release: string, files: string[] }>} the release's name and every file that the service worker keeps.
 */
export async function buildDemo({ packageDir, outDir = path.join(here, 'dist'), minify = true }) {
  const packageFiles = await packagedAssets(packageDir);
  const bundled = await bundle(packageDir, minify);
  const release = releaseName([...bundled, ...packageFiles]);

  await rm(outDir, { recursive: true, force: true });
  await mkdir(path.join(outDir, release), { recursive: true });
  for (const file of [...bundled, ...packageFiles]) await writeFile(path.join(outDir, release, file.name), file.bytes);
  for (const name of STATIC_FILES) await cp(path.join(here, name), path.join(outDir, name));
  const pages = await Promise.all(PAGES.map(async (name) => (await readFile(path.join(here, name), 'utf8')).replaceAll('%RELEASE%', release)));
  for (const [nth, name] of PAGES.entries()) await writeFile(path.join(outDir, name), pages[nth]);

  const inRelease = [...bundled, ...packageFiles].filter((file) => !file.name.endsWith('.map')).map((file) => `${release}/${file.name}`);
  const files = ['./', ...PAGES.slice(1), ...STATIC_FILES, ...inRelease];
  await buildServiceWorker({ outDir, minify, release, files, pages });
  return { release, files };
}

async function bundle(packageDir, minify) {
  const alias = { seaworthy: path.join(packageDir, 'index.js') };
  const common = { alias, outdir: '/', bundle: true, write: false, target: 'es2022', sourcemap: 'linked', minify, logLevel: 'warning' };
  const results = await Promise.all([
    build({
      ...common,
      format: 'esm',
      entryPoints: { app: path.join(here, 'app.ts'), 'self-test': path.join(here, 'self-test/app.ts'), style: path.join(here, 'style/index.css') },
    }),
    // Blocks the first paint on purpose, and is therefore not a module.
    build({ ...common, format: 'iife', entryPoints: { 'appearance-boot': path.join(here, 'appearance-boot.ts') } }),
  ]);
  return results.flatMap((result) => result.outputFiles).map((file) => ({ name: path.basename(file.path), bytes: file.contents }));
}

async function packagedAssets(packageDir) {
  const { precache } = await import(pathToFileURL(path.join(packageDir, 'precache.js')).href);
  return Promise.all(precache.map(async (url) => ({ name: path.basename(new URL(url).pathname), bytes: await readFile(fileURLToPath(url)) })));
}

async function buildServiceWorker({ outDir, minify, release, files, pages }) {
  // The pages' own text is part of the version: a changed index.html must reach the browser even when nothing else changed.
  const version = `${release}-${createHash('sha256').update(pages.join()).digest('hex').slice(0, 8)}`;
  await build({
    entryPoints: [path.join(here, 'service-worker.ts')],
    outfile: path.join(outDir, 'service-worker.js'),
    define: { VERSION: JSON.stringify(version), FILES: JSON.stringify(files) },
    bundle: true,
    format: 'iife',
    target: 'es2022',
    minify,
    logLevel: 'warning',
  });
}

function releaseName(files) {
  const hash = createHash('sha256');
  for (const file of files) hash.update(file.name).update(file.bytes);
  return hash.digest('hex').slice(0, 12);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { release } = await buildDemo({ packageDir: path.resolve(here, '../dist') });
  process.stdout.write(`demo: www/dist (release ${release})\n`);
}
