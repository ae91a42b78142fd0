// A folder with a small page and the built package, as an application without a framework would deploy them.

import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const HERE = path.dirname(fileURLToPath(import.meta.url));
const DIST = path.resolve(HERE, '../../dist');
const HTML = '<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,"><script type="module" src="app.js"></script>';

export class Site {
  private constructor(readonly folder: string) {}

  static async build(): Promise<Site> {
    const folder = await mkdtemp(path.join(tmpdir(), 'seaworthy-site-'));
    await build({
      entryPoints: { app: path.join(HERE, 'sdk-page.ts') },
      alias: { seaworthy: path.join(DIST, 'index.js') },
      outdir: folder,
      bundle: true,
      format: 'esm',
      target: 'es2022',
      logLevel: 'warning',
    });
    for (const file of ['worker.js', 'seaworthy.wasm']) await copyFile(path.join(DIST, file), path.join(folder, file));
    await writeFile(path.join(folder, 'index.html'), HTML);
    await buildNextRelease(path.join(folder, 'next'));
    return new Site(folder);
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** The worker of a release whose messages between tabs are other ones, with its own copy of the wasm module. */
async function buildNextRelease(folder: string): Promise<void> {
  const script = path.resolve(HERE, '../../js/worker/channel.ts');
  const raised = (text: string): string => {
    const changed = text.replace('RELEASE: number = 1', 'RELEASE: number = 2');
    if (changed === text) throw new Error(`${script} has another release than this test knows.`);
    return changed;
  };
  await build({
    entryPoints: { worker: path.resolve(HERE, '../../js/worker.ts') },
    outdir: folder,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    target: 'es2022',
    logLevel: 'warning',
    plugins: [
      {
        name: 'next-release',
        setup: ({ onLoad }) => onLoad({ filter: /channel\.ts$/ }, async ({ path: file }) => ({ contents: raised(await readFile(file, 'utf8')), loader: 'ts' })),
      },
    ],
  });
}
