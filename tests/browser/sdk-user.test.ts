// Scenario 31: one device, several users. Nobody sees or sends what is another's, and what waited goes out when its user is back.

import assert from 'node:assert/strict';
import type { TestTab } from './harness.js';
import { holdsLists, inEveryBrowser, listNames, reload, type SdkStage, settled } from './sdk-stage.js';

const NAME = 'shared-device';

/** Opens the one database of the application; who is signed in is up to `signedIn`, and is remembered like a session. */
async function openShared(page: TestTab): Promise<void> {
  await page.run(async (name) => {
    const token = async (): Promise<string | null> => {
      const user = localStorage.getItem('signed-in');
      if (user === null) return null;
      const answer = await fetch('/dev/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ user }) });
      return ((await answer.json()) as { token: string }).token;
    };
    globalThis.db = sdk.seaworthy.open({ name, schema: sdk.app, sync: { url: '/sync/v1', token } }) as typeof db;
    globalThis.problems = [];
    db.on('error', ({ code }) => globalThis.problems.push(code));
    await db.ready;
  }, NAME);
}

const signIn = (page: TestTab, user: string | null): Promise<void> =>
  page.run((given) => (given === null ? localStorage.removeItem('signed-in') : localStorage.setItem('signed-in', given)), user);

const add = (page: TestTab, name: string) =>
  page.run(
    async (given) => (await db.tables.lists.insert({ name: given, owner_id: db.user?.subject ?? localStorage.getItem('signed-in') ?? 'nobody' })).id,
    name,
  );

const switchUser = (page: TestTab): Promise<void> => page.run(() => db.switchUser());
const connection = (page: TestTab) => page.run(() => db.status.getSnapshot().connection);
const reported = (page: TestTab) => page.run(() => globalThis.problems);

/** What the server has for a user. */
async function onServer(stage: SdkStage, user: string): Promise<string[]> {
  const post = async (path: string, body: object, token?: string) => {
    const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
    return (await fetch(`${stage.server.url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })).json();
  };
  const { token } = (await post('/dev/token', { user })) as { token: string };
  const replica = crypto.randomUUID().replaceAll('-', '');
  const frames = (await post('/sync/v1/pull', { pull: { protocol: 1, replica } }, token)) as {
    rows?: { table: string; columns: string[]; rows: string[][] };
  }[];
  const lists = frames.flatMap(({ rows }) => (rows?.table === 'lists' ? rows.rows.map((row) => row[rows.columns.indexOf('name')] ?? '') : []));
  return lists.sort();
}

inEveryBrowser('several users of one device', (scenario) => {
  scenario('a user signs out with writes pending and another signs in: neither meets the other’s rows or writes', async (stage) => {
    const page = await stage.page();
    await signIn(page, 'ann');
    await openShared(page);
    await add(page, 'ann’s first');
    await settled(page);
    await page.run(() => db.setOnline(false));
    const pending = await add(page, 'ann’s pending');
    await page.run(() => {
      globalThis.seen = [];
      db.live(sdk.sql<{ name: string }>`SELECT name FROM lists ORDER BY name`).subscribe((rows) => globalThis.seen.push(rows.map(({ name }) => name).join()));
    });

    // While ann's writes wait, eve takes the device.
    await signIn(page, 'eve');
    const awaited = page.run((id) => sdk.failure(() => db.writes.confirmed(id ?? '')), pending);
    await switchUser(page);
    assert.equal((await awaited)?.code, 'UserChanged', 'the write is another user’s now');
    await page.run(() => db.setOnline(true));
    await settled(page);
    assert.deepEqual(await listNames(page), []);
    assert.equal(await page.run(() => db.user?.subject), 'eve');
    assert.deepEqual(await page.run(async () => [(await db.writes.pending()).length, (await db.writes.rejected()).length]), [0, 0]);
    await add(page, 'eve’s');
    await settled(page);
    await page.until('the live query to follow', () => globalThis.seen.at(-1) === 'eve’s');
    assert.deepEqual(await onServer(stage, 'eve'), ['eve’s']);

    // Eve's is opened again after a reload, and ann finds everything when she is back.
    await reload(page);
    await openShared(page);
    assert.equal(await page.run(() => db.user?.subject), 'eve');
    assert.deepEqual(await listNames(page), ['eve’s']);
    await signIn(page, 'ann');
    await switchUser(page);
    await page.run((id) => db.writes.confirmed(id ?? '', { timeout: 15_000 }), pending);
    await holdsLists(page, ['ann’s first', 'ann’s pending']);
    assert.deepEqual(await onServer(stage, 'ann'), ['ann’s first', 'ann’s pending']);
    assert.deepEqual(await onServer(stage, 'eve'), ['eve’s']);
  });

  scenario('a token of somebody else stops the transport until the user is switched, and nothing is dropped', async (stage) => {
    const page = await stage.page();
    await signIn(page, 'ann');
    await openShared(page);
    await settled(page);
    await page.run(() => db.setOnline(false));
    await add(page, 'waits');
    await reload(page);
    await signIn(page, 'eve');
    await openShared(page);
    await page.until('the transport to stop', () => db.status.getSnapshot().connection === 'user-changed');
    assert.deepEqual(await reported(page), ['UserChanged']);
    assert.equal(await page.run(() => db.status.getSnapshot().pending), 1);
    assert.deepEqual(await onServer(stage, 'ann'), []);
    await signIn(page, 'ann');
    await page.run(() => db.authenticate());
    await settled(page);
    assert.deepEqual(await onServer(stage, 'ann'), ['waits']);
  });

  scenario('what nobody wrote is sent by who adopts it, and left behind only when that is said', async (stage) => {
    const page = await stage.page();
    await openShared(page);
    await page.until('nobody to be signed in', () => db.status.getSnapshot().connection === 'needs-auth');
    await page.run(() => db.tables.lists.insert({ name: 'before the sign-in', owner_id: 'ann' }).then(() => {}));
    await signIn(page, 'eve');
    await page.run(() => db.authenticate());
    await page.until('the question of whose it is', () => db.status.getSnapshot().connection === 'needs-adopt');
    assert.equal((await page.run(() => sdk.failure(() => db.switchUser())))?.code, 'PendingWrites');
    await signIn(page, 'ann');
    await page.run(() => db.adopt());
    await settled(page);
    assert.deepEqual(await onServer(stage, 'ann'), ['before the sign-in']);
    assert.deepEqual(await onServer(stage, 'eve'), []);

    const other = await stage.page();
    await openShared(other);
    await other.until('nobody to be signed in', () => db.status.getSnapshot().connection === 'needs-auth');
    await other.run(() => db.tables.lists.insert({ name: 'dropped', owner_id: 'eve' }).then(() => {}));
    await signIn(other, 'eve');
    await other.run(() => db.switchUser({ discardPending: true }));
    await settled(other);
    assert.deepEqual(await listNames(other), []);
    assert.deepEqual(await onServer(stage, 'eve'), []);
  });

  scenario('a database is deleted for all its users, and not over anybody’s pending writes', async (stage) => {
    const page = await stage.page();
    await signIn(page, 'ann');
    await openShared(page);
    await settled(page);
    await page.run(() => db.setOnline(false));
    await add(page, 'waits');
    await signIn(page, 'eve');
    await switchUser(page);
    assert.equal((await page.run(() => sdk.failure(() => db.delete())))?.code, 'PendingWrites');
    assert.equal(await page.run(() => db.tables.lists.count()), 0);
    assert.notEqual(await connection(page), 'closed');
    await page.run(() => db.delete({ discardPending: true }));
    await signIn(page, 'ann');
    await openShared(page);
    await settled(page);
    assert.deepEqual(await listNames(page), []);
    const folders = await page.run(async () => {
      const root = await (await navigator.storage.getDirectory()).getDirectoryHandle('seaworthy');
      const names: string[] = [];
      for await (const name of (root as unknown as { keys(): AsyncIterable<string> }).keys()) names.push(name);
      return names;
    });
    assert.deepEqual(folders, [NAME]);
  });
});

declare global {
  var problems: string[];
  var seen: string[];
}
