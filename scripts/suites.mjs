// Every suite of `npm test`. A suite is a function that resolves to `{ passed, failed }`, counted from what the tools say.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { build } from './build.mjs';
import { ask, capture, root, say } from './command.mjs';

const WASM = ['--target', 'wasm32-unknown-unknown'];
const WASM_PACKAGE = 'seaworthy-wasm';
const BUILDER_PACKAGE = 'seaworthy-xtask';
/**
 * One selection of packages for all: another one unifies features otherwise, and compiles dependencies again.
 * The builder is not in it: what wasm-bindgen switches on would compile most of the server twice.
 */
const APART = [WASM_PACKAGE, BUILDER_PACKAGE];
const NATIVE = ['--workspace', ...APART.flatMap((name) => ['--exclude', name])];
const SIM = 'sim';

let built;
/** Builds once for all suites. */
const buildOnce = () => {
  built ??= build();
  return built;
};

/** The suites in the order in which they run: what fails soon comes first. */
export const suites = { check, rust, sim, wasm, unit, packaging, browser };

/** Formats, lints and types. The rules that no compiler knows are a test of `rust`: tests/tidy. */
async function check() {
  const checks = [
    ['cargo fmt', 'cargo', ['fmt', '--all', '--check']],
    ['biome', 'node', ['node_modules/@biomejs/biome/bin/biome', 'ci', '.']],
    ['clippy, native', 'cargo', ['clippy', ...NATIVE, '--all-targets', '--', '-D', 'warnings']],
    ['clippy, builder', 'cargo', ['clippy', '-p', BUILDER_PACKAGE, '--all-targets', '--', '-D', 'warnings']],
    // Clippy lints the crates of the workspace below the named one too: those that are WebAssembly.
    ['clippy, browser', 'cargo', ['clippy', '-p', WASM_PACKAGE, '--all-targets', ...WASM, '--', '-D', 'warnings']],
  ];
  let passed = 0;
  let failed = 0;
  const count = (good) => (good ? passed++ : failed++);
  for (const [name, program, args] of checks) {
    say(`check: ${name}`);
    count((await capture(program, args)).code === 0);
  }
  // The types of js/wasm are built.
  count(
    await buildOnce().then(
      () => true,
      (error) => process.stderr.write(`${error.message}\n`) && false,
    ),
  );
  say('check: tsc --strict');
  count((await capture('node', ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'])).code === 0);
  return { passed, failed };
}

/** Unit, property and server tests, natively. Programs hold no tests: tests/tidy. */
async function rust() {
  const others = testTargets().filter((name) => name !== SIM);
  const tests = await cargoTest(['test', '--no-fail-fast', ...NATIVE, '--lib', ...others.flatMap((name) => ['--test', name])]);
  const docs = await cargoTest(['test', '--no-fail-fast', ...NATIVE, '--doc']);
  const builder = await cargoTest(['test', '--no-fail-fast', '-p', BUILDER_PACKAGE]);
  return { passed: tests.passed + docs.passed + builder.passed, failed: tests.failed + docs.failed + builder.failed };
}

/** The deterministic simulation, short, and the seeds of what it found. */
async function sim() {
  return cargoTest(['test', ...NATIVE, '--test', SIM]);
}

/** The tests of src/wasm, in a dedicated worker of headless Chromium. */
async function wasm() {
  return cargoTest(['run', '-q', '-p', 'seaworthy-xtask', '--', 'test-wasm']);
}

/** The TypeScript package without a browser, and the golden vectors. */
async function unit() {
  return nodeTest([...testFiles('js'), ...testFiles('tests/golden'), ...testFiles('www')]);
}

/** What npm would publish: packed, installed elsewhere, typed and bundled. */
async function packaging() {
  await buildOnce();
  return nodeTest(testFiles('tests/packaging'));
}

/** The built package and the demo, in Chromium and in Firefox, against a real server. */
async function browser() {
  await buildOnce();
  say('Building the server');
  const built = await capture('cargo', ['build', '-p', 'seaworthy-server', '-p', 'seaworthy-tests', '--bin', 'seaworthy-server', '--bin', 'sqlite']);
  if (built.code !== 0) return { passed: 0, failed: 1 };
  return nodeTest(testFiles('tests/browser'));
}

async function cargoTest(args) {
  const { code, output } = await capture('cargo', args, { env: { CARGO_TERM_COLOR: 'never' } });
  const counts = { passed: 0, failed: 0 };
  for (const [, passed, failed] of output.matchAll(/test result: \w+\. (\d+) passed; (\d+) failed/g)) {
    counts.passed += Number(passed);
    counts.failed += Number(failed);
  }
  return settle(code, counts);
}

async function nodeTest(files) {
  if (files.length === 0) return { passed: 0, failed: 0 };
  const args = ['--import', './scripts/typescript.mjs', '--test', '--test-reporter=spec', '--test-concurrency=1', ...files];
  const { code, output } = await capture('node', args, { env: { FORCE_COLOR: '0' } });
  const number = (name) => Number(new RegExp(`^ℹ ${name} (\\d+)$`, 'm').exec(output)?.[1] ?? 0);
  return settle(code, { passed: number('pass'), failed: number('fail') + number('cancelled') + number('skipped') + number('todo') });
}

/** The names of the native test targets. */
function testTargets() {
  const { packages } = JSON.parse(ask('cargo', ['metadata', '--no-deps', '--format-version', '1']) ?? '{"packages":[]}');
  const targets = packages.filter(({ name }) => !APART.includes(name)).flatMap((candidate) => candidate.targets);
  return targets.filter((target) => target.kind.includes('test')).map((target) => target.name);
}

/** A tool that failed without naming a failed test has failed all the same. */
function settle(code, { passed, failed }) {
  return { passed, failed: code !== 0 && failed === 0 ? 1 : failed };
}

function testFiles(folder) {
  try {
    const names = readdirSync(path.join(root, folder), { recursive: true });
    return names
      .filter((name) => name.endsWith('.test.ts') && !name.includes('node_modules'))
      .map((name) => path.join(folder, name))
      .sort();
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}
