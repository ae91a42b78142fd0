// `npm start`: sets up, builds, and runs the demo: the server with embedded SQLite, which also serves www/dist.
// It hands out tokens to anybody who asks (--dev), so it listens on this machine only.
// `npm start -- --dev` builds the wasm module for development; the environment may say SEAWORTHY_LISTEN=127.0.0.1:9000.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { build } from './build.mjs';
import { main, root, run, say } from './command.mjs';
import { setup } from './setup.mjs';

const CONFIGURATION = 'www/server/seaworthy.toml';
const ADDRESS = /listens on (http:\S+)/;

main(async () => {
  await setup({ browsers: false });
  await build({ dev: process.argv.includes('--dev') });
  say('Building the server');
  await run('cargo', ['build', '-p', 'seaworthy-server']);
  say('Starting the server');
  const how = await serve();
  if (how !== 0 && how !== 'SIGINT' && how !== 'SIGTERM') throw new Error(`The server ended (${how}). Its last lines say why.`);
});

/** Runs the server until it ends, and resolves to its exit code or signal. */
function serve() {
  const program = path.resolve(root, process.env.CARGO_TARGET_DIR ?? 'target', 'debug/seaworthy-server');
  const server = spawn(program, ['--config', CONFIGURATION, '--dev'], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal));
  createInterface({ input: server.stdout }).on('line', (line) => {
    const address = ADDRESS.exec(line)?.[1];
    if (address) say(`The demo is at ${address} (open it in two windows; Ctrl-C ends it)`);
    else process.stdout.write(`${line}\n`);
  });
  return new Promise((resolve, reject) => {
    server.on('error', reject);
    server.on('exit', (code, signal) => resolve(signal ?? code));
  });
}
