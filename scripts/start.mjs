// `npm start`: sets up, builds, and runs the demo: the server with embedded SQLite, which also serves www/dist.
// It hands out tokens to anybody who asks (--dev), so it listens on this machine only.

import { spawn } from 'node:child_process';
import path from 'node:path';
import { build } from './build.mjs';
import { main, root, run, say } from './command.mjs';
import { setup } from './setup.mjs';

const CONFIGURATION = 'www/server/seaworthy.toml';
const READY_WITHIN_MS = 20_000;
const POLL_MS = 100;

main(async () => {
  await setup({ browsers: false });
  await build({ dev: process.argv.includes('--dev') });
  say('Building the server');
  await run('cargo', ['build', '-p', 'seaworthy-server']);

  say('Starting the server');
  const { listen } = await configuration();
  const server = spawn(path.join(root, 'target/debug/seaworthy-server'), ['--config', CONFIGURATION, '--dev'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const ended = new Promise((resolve) => server.on('exit', (code, signal) => resolve(signal ?? code)));
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.kill(signal));

  const address = `http://${listen.replace('0.0.0.0', '127.0.0.1')}`;
  if (await Promise.race([isReady(address), ended.then(() => false)])) say(`The demo is at ${address} (open it in two windows; Ctrl-C ends it)`);
  const how = await ended;
  if (how !== 0 && how !== 'SIGINT' && how !== 'SIGTERM') throw new Error(`the server ended (${how}): its last lines say why`);
});

async function configuration() {
  const { readFile } = await import('node:fs/promises');
  const text = await readFile(path.join(root, CONFIGURATION), 'utf8');
  const listen = process.env.SEAWORTHY_LISTEN ?? /^listen\s*=\s*"([^"]+)"/m.exec(text)?.[1];
  if (!listen) throw new Error(`${CONFIGURATION} names no address: add listen = "127.0.0.1:8787"`);
  return { listen };
}

async function isReady(address) {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (Date.now() < deadline) {
    const answer = await fetch(`${address}/healthz`).catch(() => undefined);
    if (answer?.ok) return true;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return false;
}
