// WebKit with a profile in a folder, where the whole browser is killed, and with private windows.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Found, holds } from './found.js';
import { pause, TestServer } from './server.js';
import { Site } from './site.js';
import { MiniBrowser, Screen } from './webkit.js';
import { Witness } from './witness.js';

const ROUNDS = 3;

interface Told extends Found {
  readonly storage: { readonly tier: string; readonly lost: boolean };
}

describe('the whole browser, webkit', () => {
  let screen: Screen;
  let site: Site;
  let server: TestServer;
  let home: string;
  before(async () => {
    [screen, site, home] = await Promise.all([Screen.start(), Site.build(), mkdtemp(path.join(tmpdir(), 'seaworthy-webkit-'))]);
    server = await TestServer.start({ www: site.folder });
  });
  after(async () => {
    await server?.remove();
    await site?.remove();
    await screen?.remove();
    await rm(home, { recursive: true, force: true });
  });

  /** A page that says what it finds, and then writes for as long as it lives. */
  const writer = async (witness: Witness, file: string): Promise<string> => {
    const script = `
      import './app.js';
      const round = new URLSearchParams(location.search).get('round');
      const tell = (told) => navigator.sendBeacon(${JSON.stringify(witness.url)}, told);
      globalThis.db = sdk.openDatabase({ user: 'ann', online: false });
      const rows = (await db.tables.lists.all()).map(({ id }) => id);
      const pending = (await db.writes.pending()).map(({ changes }) => changes.map(({ key }) => String(key.id)).join());
      const check = Object.values(await db.get(sdk.sql\`SELECT * FROM pragma_integrity_check\`));
      tell(JSON.stringify({ rows, pending, check, storage: db.storage.getSnapshot() }));
      for (let n = 0; ; n++) {
        await db.tables.lists.insert({ id: round + '-' + n, name: 'x', owner_id: 'ann', position: n });
        tell(round + '-' + n);
      }`;
    await writeFile(path.join(site.folder, file), `<!doctype html><script type="module">${script}</script>`);
    return `${server.url}/${file}`;
  };

  test('killed with kill -9 in the middle of writes loses nothing that was acknowledged', { timeout: 90_000 }, async () => {
    const witness = await Witness.start();
    try {
      const url = await writer(witness, 'killed.html');
      for (let round = 0; round <= ROUNDS; round++) {
        const before = witness.told.filter((told) => !told.startsWith('{'));
        const browser = MiniBrowser.start(screen, home, `${url}?round=${round}`);
        try {
          const found = JSON.parse(await witness.hears((told) => told.startsWith('{'), round)) as Told;
          holds(found, before);
          assert.deepEqual([found.storage.tier, found.storage.lost], ['indexeddb', false]);
          await witness.hears((told) => told.startsWith(`${round}-9`));
        } finally {
          await browser.kill();
        }
        await pause(100);
      }
    } finally {
      await witness.remove();
    }
  });

  test('in a private window keeps a database for as long as the window, and misses none afterwards', { timeout: 90_000 }, async () => {
    const witness = await Witness.start();
    try {
      const url = await writer(witness, 'private.html');
      for (let round = 0; round < 2; round++) {
        const browser = MiniBrowser.start(screen, home, `${url}?round=${round}`, ['--private']);
        try {
          const found = JSON.parse(await witness.hears((told) => told.startsWith('{'), round)) as Told;
          assert.deepEqual(found.rows, []);
          assert.deepEqual([found.storage.tier, found.storage.lost], ['indexeddb', false]);
          await witness.hears((told) => told.startsWith(`${round}-9`));
        } finally {
          await browser.kill();
        }
      }
    } finally {
      await witness.remove();
    }
  });
});
