// The rules that no compiler knows: what must be absent from a crate, how long a file may be, how a module opens.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { ask, isMain, main, root } from './command.mjs';

const MAX_LINES = 400;
const SOURCE = /\.(rs|ts|mjs|css)$/;
const VAGUE_NAME = /^(utils?|helpers?|common|misc|manager)\./;

/** Which crates a crate may depend on; `tests` may see all. */
const ARROWS = {
  protocol: [],
  engine: ['protocol'],
  store: ['protocol', 'engine'],
  server: ['protocol', 'engine', 'store'],
  wasm: ['protocol', 'engine', 'store'],
};

/** A pattern that must not occur in the files of a folder. `allowed`: how often it may all the same. */
const ABSENT = [
  { in: /^src\/(protocol|engine)\//, pattern: /target_arch|target_family/g, why: 'protocol and engine know no platform' },
  { in: /^src\/store\//, pattern: /cfg\([^)]*target_arch/g, allowed: 1, why: 'store has at most the line that chooses a VFS' },
  {
    in: /^src\/engine\/.*\.rs$/,
    pattern: /\b(tokio|js_sys|web_sys|rusqlite|std::time|SystemTime|Instant|std::thread|std::net)\b/g,
    why: 'the engine does no I/O',
  },
  { in: /^src\/(protocol|engine|store|server)\/.*\.rs$/, pattern: /\b(wasm_bindgen|JsValue|web_sys|js_sys)\b/g, why: 'only src/wasm knows JavaScript' },
  { in: /^src\/store\/.*\.rs$/, pattern: /\b(SystemTime|Instant|std::thread|std::net|tokio)\b/g, why: 'the store reads no clock and opens no socket' },
  { in: SOURCE, except: /^scripts\/tidy\.mjs$/, pattern: /\b(TODO|FIXME|XXX)\b/g, why: 'open work is an issue' },
  { in: /\.(ts|mjs)$/, except: /^scripts\/tidy\.mjs$/, pattern: /\.(only|skip)\(|\b(test|it|describe)\.todo\b/g, why: 'every test runs' },
  { in: /\.rs$/, pattern: /#\[ignore/g, why: 'every test runs' },
  { in: /^js\/(?!.*\.test\.ts$)/, pattern: /: any\b|\bas any\b|<any>/g, why: 'the package has no any' },
  { in: /package-lock\.json$/, pattern: /"resolved": "(?!https:\/\/registry\.npmjs\.org\/)/g, why: 'the lock file names no other registry' },
];

/** Every breach of the rules, as `file:line: reason`; and how many files were looked at. */
export function tidy() {
  const files = (ask('git', ['ls-files', '--cached', '--others', '--exclude-standard']) ?? '').split('\n').filter(Boolean);
  const breaches = [];
  let looked = 0;
  for (const file of files) {
    const text = read(file);
    if (text === undefined) continue;
    looked += 1;
    breaches.push(...shape(file, text), ...absences(file, text), ...arrows(file, text));
  }
  return { breaches, looked };
}

function read(file) {
  if (!SOURCE.test(file) && !file.endsWith('Cargo.toml') && !file.endsWith('package-lock.json')) return undefined;
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch {
    return undefined; // deleted in the working tree
  }
}

function shape(file, text) {
  const breaches = [];
  const lines = text.split('\n').length - 1;
  if (SOURCE.test(file) && lines > MAX_LINES && !file.includes('generated/')) breaches.push(`${file}:${MAX_LINES}: ${lines} lines are too many for one file`);
  if (file.endsWith('.rs') && !text.startsWith('//!')) breaches.push(`${file}:1: a module opens with //! and says why it exists`);
  if (VAGUE_NAME.test(path.basename(file))) breaches.push(`${file}:1: a file is named after the noun that it holds`);
  return breaches;
}

function absences(file, text) {
  return ABSENT.filter((rule) => rule.in.test(file) && !rule.except?.test(file)).flatMap((rule) => {
    const hits = [...text.matchAll(rule.pattern)].slice(rule.allowed ?? 0);
    return hits.map((hit) => `${file}:${text.slice(0, hit.index).split('\n').length}: ${hit[0]}: ${rule.why}`);
  });
}

function arrows(file, text) {
  const crate = /^src\/(\w+)\/Cargo\.toml$/.exec(file)?.[1];
  const allowed = crate && ARROWS[crate];
  if (!allowed) return [];
  const dependencies = text.split(/^\[dev-dependencies\]/m)[0];
  const named = [...dependencies.matchAll(/^seaworthy-(\w+)/gm)].map((match) => match[1]);
  return named.filter((name) => !allowed.includes(name)).map((name) => `${file}:1: ${crate} must not depend on ${name}`);
}

if (isMain(import.meta)) {
  main(async () => {
    const { breaches, looked } = tidy();
    if (breaches.length > 0) throw new Error(breaches.join('\n'));
    process.stdout.write(`tidy: ${looked} files\n`);
  });
}
