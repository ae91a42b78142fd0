// Conflicts and rejected writes through the package, against a real server: policies, resolvers, edits.

import assert from 'node:assert/strict';
import type { TestTab } from './harness.js';
import { inEveryBrowser, openIn, reload, type SdkStage, settled } from './sdk-stage.js';

/** Two replicas of a user with one todo in both. */
async function pair(stage: SdkStage): Promise<[TestTab, TestTab]> {
  const pages: [TestTab, TestTab] = [await stage.page(), await stage.page()];
  for (const page of pages) await openIn(page, { user: 'ann' });
  const [one, two] = pages;
  await one.run(async () => {
    await db.tables.lists.insert({ id: 'l', name: 'list', owner_id: 'ann' });
    await db.tables.todos.insert({ id: 't', list_id: 'l', title: 'first', owner_id: 'ann' });
  });
  await settled(one);
  await shows(two, 'first');
  return pages;
}

const title = (page: TestTab) => page.run(async () => (await db.tables.todos.get('t'))?.title);
const rename = (page: TestTab, to: string) => page.run(async (given) => void (await db.tables.todos.update('t', { title: given })), to);

async function shows(page: TestTab, wanted: string): Promise<void> {
  await page.until(`the title ${wanted}`, async (given) => (await db.tables.todos.get('t'))?.title === given, wanted);
}

/** Both rename the todo, the second one while it is offline. */
async function collide(one: TestTab, two: TestTab): Promise<void> {
  await two.run(() => db.setOnline(false));
  await rename(two, 'mine');
  await rename(one, 'theirs');
  await settled(one);
}

inEveryBrowser('conflicts through the package', (scenario) => {
  scenario('a resolver decides from three whole rows, and its row reaches everyone', async (stage) => {
    const [one, two] = await pair(stage);
    await collide(one, two);
    const seen = await two.run(async () => {
      const conflicts: unknown[] = [];
      const alarms: string[] = [];
      db.on('rejected', (write) => alarms.push(write.reason));
      db.resolve('todos', async (conflict) => {
        conflicts.push(conflict);
        await sdk.pause(20);
        return { ...conflict.remote, title: `${conflict.local?.title} and ${conflict.remote?.title}` };
      });
      const receipt = (await db.writes.pending())[0];
      await db.setOnline(true);
      const failed = await sdk.failure(() => db.writes.confirmed(receipt?.id ?? '', { timeout: 15_000 }));
      while (conflicts.length === 0) await sdk.pause(20);
      return { conflicts: JSON.parse(JSON.stringify(conflicts)) as Record<string, { title: string; list_id: string } | null>[], alarms, code: failed?.code };
    });
    for (const page of [one, two]) await shows(page, 'mine and theirs');
    await settled(two);
    const sides = seen.conflicts.map(({ base, local, remote }) => [base, local, remote].map((row) => [row?.title, row?.list_id]));
    assert.deepEqual(sides, [
      [
        ['first', 'l'],
        ['mine', 'l'],
        ['theirs', 'l'],
      ],
    ]);
    assert.equal(seen.code, 'WriteRejected');
    assert.deepEqual(seen.alarms, [], 'nobody is alarmed about what a resolver decides');
    const shown = await two.run(async () => (await db.writes.rejected()).length);
    assert.equal(shown, 0);
  });

  scenario('a conflict that came without a resolver waits across a reload, and is asked again when the row changes meanwhile', async (stage) => {
    const [one, two] = await pair(stage);
    await collide(one, two);
    await two.run(() => db.setOnline(true));
    await two.until('a rejected write', () => db.status.getSnapshot().rejected === 1);
    assert.equal(await title(two), 'theirs');
    await reload(two);
    await openIn(two, { user: 'ann' });
    await settled(two);
    await two.run(() => {
      const asked: string[] = [];
      const global = globalThis as unknown as { asked: string[]; answer: () => void };
      global.asked = asked;
      db.resolve('todos', ({ base, local, remote }) => {
        asked.push([base?.title, local?.title, remote?.title].join(' '));
        return new Promise((resolve) => {
          global.answer = () => resolve({ title: `${local?.title} over ${remote?.title}` });
        });
      });
    });
    await two.until('the first question', () => (globalThis as unknown as { asked: string[] }).asked.length === 1);
    await rename(one, 'newer');
    await shows(two, 'newer');
    await two.run(() => (globalThis as unknown as { answer: () => void }).answer());
    await two.until('the second question', () => (globalThis as unknown as { asked: string[] }).asked.length === 2);
    await two.run(() => (globalThis as unknown as { answer: () => void }).answer());
    for (const page of [one, two]) await shows(page, 'mine over newer');
    const asked = await two.run(() => (globalThis as unknown as { asked: string[] }).asked);
    assert.deepEqual(asked, ['first mine theirs', 'first mine newer']);
  });

  scenario('a write may ask for a stricter policy than its table: fail refuses and keeps, server discards in silence', async (stage) => {
    const [one, two] = await pair(stage);
    await two.run(async () => {
      await db.setOnline(false);
      await db.tables.lists.update('l', { name: 'mine' }, { onConflict: 'fail' });
      await db.transaction((tx) => tx.tables.lists.update('l', { position: 9 }), { onConflict: 'server' });
    });
    await one.run(() => db.tables.lists.update('l', { name: 'theirs', position: 3 }).then(() => {}));
    await settled(one);
    const end = await two.run(async () => {
      const events: string[] = [];
      db.on('rejected', (write) => events.push(write.reason));
      await db.setOnline(true);
      while (db.status.getSnapshot().pending > 0) await sdk.pause(20);
      const kept = await db.writes.rejected();
      const rows = kept[0]?.conflicts.map(({ base, local, remote }) => [base?.name, local?.name, remote?.name]);
      return { events, reasons: kept.map((write) => [write.reason, write.policy]), rows, counted: db.status.getSnapshot().rejected };
    });
    assert.deepEqual(end, {
      events: ['conflict'],
      reasons: [
        ['conflict', 'fail'],
        ['discarded', 'server'],
      ],
      rows: [['list', 'mine', 'theirs']],
      counted: 1,
    });
  });

  scenario('a refused write is edited and made again', async (stage) => {
    const page = await stage.page();
    await openIn(page, { user: 'ann' });
    const end = await page.run(async () => {
      const receipt = await db.tables.lists.insert({ id: 'x', name: 'not mine', owner_id: 'eve' });
      await sdk.failure(() => receipt.confirmed({ timeout: 15_000 }));
      const [write] = await db.writes.rejected();
      const again = await write?.retry({ edit: ({ new: cells }) => ({ ...cells, owner_id: 'ann', name: 'mine' }) });
      await again?.confirmed({ timeout: 15_000 });
      return { row: (await db.tables.lists.get('x'))?.name, left: (await db.writes.rejected()).length };
    });
    assert.deepEqual(end, { row: 'mine', left: 0 });
  });
});
