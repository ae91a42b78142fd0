// Module hooks that resolve `./x.js` to `./x.ts` where only that exists, and strip the types of what is loaded.

import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { transform } from 'esbuild';

const SCRIPT = /\.js$/;
const TYPESCRIPT = /\.ts$/;

export async function resolve(specifier, context, next) {
  if (specifier.startsWith('.') && SCRIPT.test(specifier) && context.parentURL?.startsWith('file:')) {
    const source = new URL(specifier.replace(SCRIPT, '.ts'), context.parentURL);
    if (!existsSync(new URL(specifier, context.parentURL)) && existsSync(source)) return { url: source.href, format: 'module', shortCircuit: true };
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !TYPESCRIPT.test(url)) return next(url, context);
  const file = fileURLToPath(url);
  const { code } = await transform(await readFile(file, 'utf8'), { loader: 'ts', sourcefile: file, sourcemap: 'inline', format: 'esm', target: 'node20' });
  return { format: 'module', source: code, shortCircuit: true };
}
