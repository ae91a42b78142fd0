// `npm run bench`: a few figures from a page in Chromium with a profile on disk, as medians in milliseconds.

import { createReadStream } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromiumArgs, need } from './browsers.mjs';
import { build } from './build.mjs';
import { main, root, say } from './command.mjs';
import { setup } from './setup.mjs';

const ROWS = 20_000;
const RUNS = 7;
const WRITES = 300;
const HTML = '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="page.js"></script>';
/** Isolated pages have a clock that counts in 5 µs; others' counts in 100. */
const ISOLATION = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' };
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' };

main(async () => {
  await setup({ browsers: true });
  await build();
  const folder = await mkdtemp(path.join(tmpdir(), 'seaworthy-bench-'));
  const server = await serve(await site(folder));
  const { chromium } = await import('playwright-core');
  const context = await chromium.launchPersistentContext(path.join(folder, 'profile'), { executablePath: need('chromium'), args: chromiumArgs });
  try {
    say(`Measuring in Chromium ${context.browser()?.version() ?? ''}`);
    const url = `http://127.0.0.1:${server.address().port}/`;
    for (const [name, ms, plain] of await measure(context.pages()[0] ?? (await context.newPage()), url)) {
      const ratio = plain === undefined ? '' : `   ${(ms / plain).toFixed(2)} times the one before`;
      process.stdout.write(`${name.padEnd(60)}${ms.toFixed(ms < 10 ? 2 : 0).padStart(8)} ms${ratio}\n`);
    }
  } finally {
    await context.close();
    server.close();
    await rm(folder, { recursive: true, force: true });
  }
});

/** Every figure as `[name, milliseconds, milliseconds without capture]`. Each run of a bulk has a database of its own. */
async function measure(page, url) {
  await visit(page, url);
  const call = (name, ...args) => page.evaluate(([name, args]) => globalThis.bench[name](...args), [name, args]);
  const repeat = async (task) => {
    const times = [];
    for (let run = 0; run < RUNS; run += 1) times.push(await task(run));
    return median(times);
  };
  const both = async (task) => {
    const runs = { local_todos: [], todos: [] };
    // In turns, since the ratio counts, and others use the machine too.
    for (let run = 0; run < RUNS; run += 1) for (const where of Object.keys(runs)) runs[where].push(await task(where, run));
    return [runs.local_todos, runs.todos];
  };
  const [plain, captured] = await both((where, run) => call('bulk', `${where} ${run}`, where, ROWS));
  const of = (runs, what) => median(runs.map((run) => run[what]));
  const writes = (durability) => both(async (where) => median(await call('singleWrites', `writes ${where} ${durability}`, where, WRITES, durability)));
  const [plainWrite, write] = (await writes('relaxed')).map(median);
  const [plainStrict, strict] = (await writes('strict')).map(median);
  const atOnce = await repeat(() => call('writesAtOnce', 'at once', WRITES));
  const live = median(await call('liveQuery', 'live', WRITES));
  await call('fill', 'existing', ROWS);
  const opened = await repeat(async () => {
    await visit(page, url);
    return call('openExisting', 'existing');
  });
  const read = await repeat(() => call('readAll', 'existing', ROWS));
  const many = ROWS.toLocaleString('en');
  return [
    [`open a database of ${many} rows, first SELECT answered`, opened],
    [`insert ${many} rows in one transaction, not captured`, of(plain, 'insert')],
    [`insert ${many} rows in one transaction, captured`, of(captured, 'insert'), of(plain, 'insert')],
    [`update all ${many} rows, not captured`, of(plain, 'update')],
    [`update all ${many} rows, captured`, of(captured, 'update'), of(plain, 'update')],
    ['one durable write, awaited, not captured', plainWrite],
    ['one durable write, awaited, captured', write, plainWrite],
    ['one strict write, awaited, not captured', plainStrict],
    ['one strict write, awaited, captured', strict, plainStrict],
    [`${WRITES} durable writes at once`, atOnce],
    ['live query, write to callback', live],
    [`${many} rows to the page`, read],
  ];
}

async function visit(page, url) {
  await page.goto(url);
  await page.waitForFunction(() => 'bench' in globalThis);
}

/** A folder with the page and the built package. */
async function site(folder) {
  const { build: bundle } = await import('esbuild');
  const dist = path.join(root, 'dist');
  await bundle({
    entryPoints: { page: path.join(root, 'scripts/bench-page.ts') },
    alias: { seaworthy: path.join(dist, 'index.js') },
    outdir: folder,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'warning',
  });
  for (const file of ['worker.js', 'seaworthy.wasm']) await copyFile(path.join(dist, file), path.join(folder, file));
  await writeFile(path.join(folder, 'index.html'), HTML);
  return folder;
}

function serve(folder) {
  const server = createServer((request, response) => {
    const name = request.url === '/' ? 'index.html' : path.basename(new URL(request.url, 'http://localhost').pathname);
    const file = createReadStream(path.join(folder, name));
    const type = TYPES[path.extname(name)] ?? 'text/plain';
    file.on('open', () => response.writeHead(200, { 'content-type': type, 'cache-control': 'max-age=3600', ...ISOLATION }));
    file.on('error', () => response.writeHead(404).end());
    file.pipe(response);
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

function median(values) {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
}
