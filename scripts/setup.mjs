// Brings a machine that has Rust and Node to where the project builds, runs and tests. Each part is looked at
// first and installed only when it is missing; what may not be installed from here is said, with the command to type.

import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { find } from './browsers.mjs';
import { ask, isMain, main, root, run, say } from './command.mjs';

const WASM_TARGET = 'wasm32-unknown-unknown';
const LOCK_STAMP = path.join(root, 'node_modules/.seaworthy-lock');

/**
 * Installs what is missing.
 * @param {{ browsers: boolean }} options `browsers`: also what only the tests need.
 */
export async function setup({ browsers }) {
  const complaints = [...(await rust()), ...(await systemPackages(browsers))];
  if (complaints.length > 0) throw new Error(`Set-up cannot go on:\n${complaints.map((line) => `  - ${line}`).join('\n')}`);
  await npmPackages();
}

async function rust() {
  if (!ask('cargo', ['--version'])) return ['Rust is missing. Install it from https://rustup.rs, then run this again.'];
  const complaints = [];
  const libraries = ask('rustc', ['--print', 'target-libdir', '--target', WASM_TARGET]);
  if (!libraries || !existsSync(libraries)) {
    complaints.push(...(await rustup(['target', 'add', WASM_TARGET], `the Rust target ${WASM_TARGET}`)));
  }
  for (const [component, probe] of [
    ['rustfmt', ['fmt', '--version']],
    ['clippy', ['clippy', '--version']],
  ]) {
    if (!ask('cargo', probe)) complaints.push(...(await rustup(['component', 'add', component], component)));
  }
  return complaints;
}

async function rustup(args, what) {
  if (!ask('rustup', ['--version'])) return [`${what} is missing, and rustup too: install it with your distribution's packages.`];
  say(`Installing ${what} (rustup ${args.join(' ')})`);
  await run('rustup', args);
  return [];
}

async function systemPackages(browsers) {
  const wanted = [
    { missing: !ask('clang', ['--print-targets'])?.includes('wasm32'), packages: ['clang', 'llvm'], what: 'clang, to compile SQLite for the browser' },
    { missing: !ask('cc', ['--version']), packages: ['gcc', 'libc6-dev'], what: 'a C compiler, to compile SQLite for the server' },
  ];
  if (browsers) {
    wanted.push(
      { missing: !find('chromium'), packages: ['chromium'], what: 'Chromium, for the tests' },
      { missing: !find('chromedriver'), packages: ['chromium-driver'], what: 'chromedriver, for the tests of the wasm module' },
      { missing: !find('firefox'), packages: ['firefox-esr'], what: 'Firefox, for the tests' },
      { missing: !find('webkitdriver') || !find('minibrowser'), packages: ['webkit2gtk-driver'], what: 'WebKitGTK with its driver, for the tests' },
      { missing: !find('xvfb'), packages: ['xvfb'], what: 'Xvfb, a screen for WebKitGTK' },
    );
  }
  const missing = wanted.filter((part) => part.missing);
  if (missing.length === 0) return [];
  const packages = missing.flatMap((part) => part.packages);
  const install = ['install', '-y', '--no-install-recommends', ...packages];
  if (!ask('apt-get', ['--version']) || process.getuid?.() !== 0) {
    const command = `sudo apt-get update && sudo apt-get ${install.join(' ')}`;
    return missing.map((part) => `${part.what} is missing. On Debian or Ubuntu type: ${command}`);
  }
  say(`Installing ${missing.map((part) => part.what).join('; ')} (apt-get)`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await run('apt-get', ['update'], { env, quiet: true });
  await run('apt-get', install, { env, quiet: true });
  return [];
}

async function npmPackages() {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  if (existsSync(LOCK_STAMP) && readFileSync(LOCK_STAMP, 'utf8') === lock) return;
  say('Installing the npm packages of package-lock.json (npm ci --ignore-scripts)');
  await run('npm', ['ci', '--ignore-scripts']);
  writeFileSync(LOCK_STAMP, lock);
}

if (isMain(import.meta)) {
  main(async () => {
    await setup({ browsers: true });
    say('Everything that the build and the tests need is there.');
  });
}
