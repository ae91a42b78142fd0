// The package with a server: two replicas, bad networks, reloads and killed servers.

import assert from 'node:assert/strict';
import type { TestTab } from './harness.js';
import { Wire } from './network.js';
import { UpgradeRefuser } from './proxy.js';
import { holdsLists, inEveryBrowser, listNames, openIn, reload, settled } from './sdk-stage.js';

const add = (page: TestTab, name: string) => page.run(async (given) => (await db.tables.lists.insert({ name: given, owner_id: 'ann' })).id, name);

inEveryBrowser('the package with a server', (scenario) => {
  scenario('two replicas of a user that were offline converge', async (stage) => {
    const [one, two] = [await stage.page(), await stage.page()];
    for (const page of [one, two]) await openIn(page, { user: 'ann' });
    await add(one, 'shared');
    await settled(one);
    await holdsLists(two, ['shared']);
    for (const page of [one, two]) await page.run(() => db.setOnline(false));
    await add(one, 'from one');
    await add(two, 'from two');
    await one.run(() => db.exec(sdk.sql`UPDATE lists SET name = 'renamed' WHERE name = 'shared'`).then(() => {}));
    await two.run(() => db.exec(sdk.sql`UPDATE lists SET position = 7 WHERE name = 'shared'`).then(() => {}));
    assert.deepEqual(await listNames(two), ['from two', 'shared']);
    await one.until('two pending writes', () => db.status.getSnapshot().pending === 2);
    assert.equal(await one.run(() => db.status.getSnapshot().connection), 'offline');
    for (const page of [one, two]) await page.run(() => db.setOnline(true));
    for (const page of [one, two]) {
      await settled(page);
      await holdsLists(page, ['from one', 'from two', 'renamed']);
    }
    const read = (page: TestTab) => page.run(() => db.all(sdk.sql`SELECT * FROM lists ORDER BY id`));
    assert.deepEqual(await read(one), await read(two));
    assert.equal((await one.run(() => db.get(sdk.sql`SELECT position FROM lists WHERE name = 'renamed'`)))?.position, 7);
    assert.equal(await one.run(() => db.user?.subject), 'ann');
  });

  scenario('a user sees nothing of another, and a write into another’s rows is refused, kept and discarded', async (stage) => {
    const [ann, eve] = [await stage.page(), await stage.page()];
    await openIn(ann, { user: 'ann' });
    await openIn(eve, { user: 'eve' });
    await add(ann, 'private');
    await settled(ann);
    await settled(eve);
    assert.deepEqual(await listNames(eve), []);
    const refused = await eve.run(async () => {
      const events: string[] = [];
      db.on('rejected', (write) => events.push(write.reason));
      const receipt = await db.tables.lists.insert({ id: 'stolen', name: 'stolen', owner_id: 'ann' });
      const failed = await sdk.failure(() => receipt.confirmed({ timeout: 15_000 }));
      const [write] = await db.writes.rejected();
      const kept = { id: write?.id === receipt.id, table: write?.changes[0]?.table, name: write?.changes[0]?.new.name, key: write?.changes[0]?.key.id };
      const rows = await db.tables.lists.count();
      await write?.discard();
      return { code: failed?.code, events, kept, rows, left: (await db.writes.rejected()).length };
    });
    assert.deepEqual(refused, {
      code: 'WriteRejected',
      events: ['forbidden'],
      kept: { id: true, table: 'lists', name: 'stolen', key: 'stolen' },
      rows: 0,
      left: 0,
    });
    assert.deepEqual(await listNames(ann), ['private']);
  });

  scenario('writes that were pending survive a reload and are sent', async (stage) => {
    const page = await stage.page();
    await openIn(page, { user: 'ann', online: false });
    const id = await add(page, 'written offline');
    await reload(page);
    await openIn(page, { user: 'ann', online: false });
    const pending = await page.run(async () => (await db.writes.pending()).map(({ id, sent, changes }) => ({ id, sent, row: changes[0]?.new.name })));
    assert.deepEqual(pending, [{ id, sent: false, row: 'written offline' }]);
    await page.run(() => db.setOnline(true));
    await page.run((given) => db.writes.confirmed(given ?? '', { timeout: 15_000 }), id);
    await settled(page);
    const other = await stage.page();
    await openIn(other, { user: 'ann' });
    await holdsLists(other, ['written offline']);
  });

  scenario('a server that is killed and started again loses nothing', async (stage) => {
    const [one, two] = [await stage.page(), await stage.page()];
    for (const page of [one, two]) await openIn(page, { user: 'ann' });
    const names: string[] = [];
    for (let round = 0; round < 3; round++) {
      const writing = one.run(async (given) => {
        for (let n = 0; n < 20; n++) await db.tables.lists.insert({ name: `round ${given} list ${n}`, owner_id: 'ann' });
      }, round);
      for (let n = 0; n < 20; n++) names.push(`round ${round} list ${n}`);
      await stage.server.kill();
      await writing;
      await add(two, `during outage ${round}`);
      names.push(`during outage ${round}`);
      await stage.server.run();
    }
    for (const page of [one, two]) {
      await settled(page);
      await holdsLists(page, names);
    }
  });

  scenario('a connection that is cut comes back, and what was written meanwhile arrives', async (stage) => {
    const wire = await Wire.to(stage.server.port);
    try {
      const [cut, other] = [await stage.page(undefined, wire.url), await stage.page()];
      await openIn(cut, { user: 'ann' });
      await openIn(other, { user: 'ann' });
      await settled(cut);
      wire.break();
      await cut.until('the loss to be seen', () => db.status.getSnapshot().connection === 'connecting');
      await add(cut, 'cut off');
      await add(other, 'elsewhere');
      await settled(other);
      wire.mend();
      await settled(cut);
      await holdsLists(cut, ['cut off', 'elsewhere']);
      await holdsLists(other, ['cut off', 'elsewhere']);
    } finally {
      await wire.remove();
    }
  });

  scenario('where WebSockets are blocked, fetch does all the work', async (stage) => {
    const proxy = await UpgradeRefuser.before(stage.server.port);
    try {
      const [blocked, other] = [await stage.page(undefined, proxy.url), await stage.page()];
      await openIn(blocked, { user: 'ann' });
      await openIn(other, { user: 'ann' });
      await add(blocked, 'over fetch');
      await settled(blocked);
      await holdsLists(other, ['over fetch']);
      await add(other, 'back');
      await holdsLists(blocked, ['back', 'over fetch']);
      assert.equal((await blocked.run(() => db.status.getSnapshot())).overFetch, true);
      assert.ok(proxy.refused > 0, 'the proxy must have refused a WebSocket');
    } finally {
      await proxy.remove();
    }
  });

  scenario('what was written while nobody was signed in waits for a sign-in and to be adopted', async (stage) => {
    const page = await stage.page();
    const waiting = await page.run(async () => {
      let token: string | null = null;
      globalThis.db = sdk.seaworthy.open({ name: 'signed-out', schema: sdk.app, sync: { url: '/sync/v1', token: () => token } }) as typeof db;
      const errors: string[] = [];
      db.on('error', ({ code }) => errors.push(code));
      await db.tables.lists.insert({ name: 'patient', owner_id: 'ann' });
      while (db.status.getSnapshot().connection !== 'needs-auth') await sdk.pause(20);
      const before = db.status.getSnapshot().pending;
      const answer = await fetch('/dev/token', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"user":"ann"}' });
      token = ((await answer.json()) as { token: string }).token;
      await db.authenticate();
      while (db.status.getSnapshot().connection !== 'needs-adopt') await sdk.pause(20);
      await db.adopt();
      return { before, errors };
    });
    assert.deepEqual(waiting, { before: 1, errors: ['AuthRequired', 'AdoptRequired'] });
    await settled(page);
  });
});
