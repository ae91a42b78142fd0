// Runs other programs: shows what they print, keeps it, and fails with the command's name.

import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of the project. */
export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');

/** Says what happens next. */
export function say(text) {
  process.stdout.write(`\n• ${text}\n`);
}

/**
 * Runs a program to its end, in the project's folder, without input. Resolves to its exit code and what it printed.
 * @param {string} program
 * @param {string[]} args
 * @param {{ env?: Record<string, string>, quiet?: boolean, cwd?: string }} options `quiet`: print nothing unless it fails.
 */
export function capture(program, args, { env = {}, quiet = false, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const [stream, sink] of [
      [child.stdout, process.stdout],
      [child.stderr, process.stderr],
    ]) {
      stream.setEncoding('utf8');
      stream.on('data', (text) => {
        output += text;
        if (!quiet) sink.write(text);
      });
    }
    child.on('error', (error) => reject(new Error(`${program}: ${error.message}`)));
    child.on('close', (code, signal) => {
      if (quiet && code !== 0) process.stderr.write(output);
      resolve({ code: code ?? 1, signal, output });
    });
  });
}

/** Like `capture`, and throws when the program fails. */
export async function run(program, args, options) {
  const result = await capture(program, args, options);
  if (result.code !== 0) throw new Error(`${[program, ...args].join(' ')} failed (${result.signal ?? result.code})`);
  return result.output;
}

/** What a program answers at once, or undefined when it is missing or fails. */
export function ask(program, args) {
  const { status, stdout } = spawnSync(program, args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  return status === 0 ? stdout.trim() : undefined;
}

/** Runs a script's main function: a failure is one readable line and exit code 1. */
export function main(task) {
  task().catch((error) => {
    process.stderr.write(`\n${process.env.DEBUG ? error.stack : error.message}\n`);
    process.exitCode = 1;
  });
}

/** Whether this module is the program that was started. */
export function isMain(meta) {
  return process.argv[1] !== undefined && path.resolve(process.argv[1]) === fileURLToPath(meta.url);
}
