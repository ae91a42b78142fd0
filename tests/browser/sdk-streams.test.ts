// Streams from TypeScript, through the server and back: who gets which rows, and when they go.

import assert from 'node:assert/strict';
import type { TestTab } from './harness.js';
import { holdsLists, inEveryBrowser, openIn, reload, settled } from './sdk-stage.js';

/** Who has a todo in a list is a member of it. */
const STREAMS = `
[tables.lists]
write = "true"

[tables.todos]
write = "true"

[streams.own_lists]
auto = true
query = "SELECT * FROM lists WHERE owner_id = auth.user_id()"

[streams.shared_lists]
auto = true
query = "SELECT * FROM lists WHERE id IN (SELECT list_id FROM todos WHERE owner_id = auth.user_id())"

[streams.own_todos]
auto = true
query = "SELECT * FROM todos WHERE owner_id = auth.user_id()"

[streams.list_todos]
query = """
SELECT * FROM todos
WHERE list_id = params.list_id
  AND (list_id IN (SELECT list_id FROM todos WHERE owner_id = auth.user_id()) OR list_id IN (SELECT id FROM lists WHERE owner_id = auth.user_id()))
"""
`;

const list = (page: TestTab, id: string, owner_id: string) =>
  page.run(({ id, owner_id }) => db.tables.lists.insert({ id, name: id, owner_id }).then(() => {}), { id, owner_id });

const todo = (page: TestTab, id: string, list_id: string, owner_id: string) =>
  page.run(({ id, list_id, owner_id }) => db.tables.todos.insert({ id, title: id, list_id, owner_id }).then(() => {}), { id, list_id, owner_id });

const subscribe = (page: TestTab, list_id: string) =>
  page.run(async (list_id) => {
    globalThis.stream = db.stream('list_todos', { list_id });
    await stream.ready;
  }, list_id);

async function holdsTodos(page: TestTab, ids: readonly string[]): Promise<void> {
  const same = async (wanted: readonly string[]) => JSON.stringify((await db.tables.todos.all()).map(({ id }) => id).sort()) === JSON.stringify(wanted);
  await page.until(`the todos ${ids.join(', ')}`, same, [...ids].sort());
}

inEveryBrowser(
  'streams',
  (scenario) => {
    scenario('who is made a member gets the list and its todos, and loses them when it is over', async (stage) => {
      const [ann, bob] = [await stage.page(), await stage.page()];
      await openIn(ann, { user: 'ann' });
      await openIn(bob, { user: 'bob' });
      await list(ann, 'home', 'ann');
      await todo(ann, 'milk', 'home', 'ann');
      await settled(ann);
      await subscribe(bob, 'home');
      assert.deepEqual(await bob.run(() => [stream.progress.granted, stream.progress.rows]), [false, 0]);
      await todo(ann, 'invitation', 'home', 'bob');
      await holdsLists(bob, ['home']);
      await holdsTodos(bob, ['invitation', 'milk']);
      assert.equal(await bob.run(() => stream.progress.granted), true);
      await todo(bob, 'bread', 'home', 'cleo');
      await subscribe(ann, 'home');
      await holdsTodos(ann, ['bread', 'invitation', 'milk']);
      await ann.run(() => db.exec(sdk.sql`DELETE FROM todos WHERE id = 'invitation'`).then(() => {}));
      await holdsLists(bob, []);
      await holdsTodos(bob, []);
      await bob.until('no permission', () => !stream.progress.granted);
      await holdsTodos(ann, ['bread', 'milk']);
    });

    scenario('rows go when the last tab releases their stream, or stay for as long as it says, also without a network', async (stage) => {
      const profile = await stage.profile();
      const [one, two] = [await stage.page(profile), await stage.page(profile)];
      for (const page of [one, two]) await openIn(page, { user: 'ann' });
      await list(one, 'home', 'ann');
      for (const page of [one, two]) await subscribe(page, 'home');
      await todo(one, 'milk', 'home', 'cleo');
      await settled(one);
      await holdsTodos(two, ['milk']);
      await two.run(() => stream.release());
      await holdsTodos(two, ['milk']);
      await two.run(() => db.close({ now: true }));
      await one.run(() => stream.release({ keepFor: '1h' }));
      await reload(one);
      await openIn(one, { user: 'ann', online: false });
      await holdsTodos(one, ['milk']);
      await subscribe(one, 'home');
      await one.run(() => db.setOnline(true));
      await settled(one);
      await holdsTodos(one, ['milk']);
      await one.run(() => stream.release());
      await holdsTodos(one, []);
      await holdsLists(one, ['home']);
    });

    scenario('a stream that the server does not have, or that takes other parameters, says so', async (stage) => {
      const page = await stage.page();
      await openIn(page, { user: 'ann' });
      const refused = await page.run(async () => {
        const reasons: unknown[] = [];
        for (const opened of [db.stream('archive'), db.stream('list_todos'), db.stream('list_todos', { list_id: 'l', x: 1 })]) {
          const error = await opened.ready.catch((error: unknown) => error);
          reasons.push([(error as { code: string }).code, (error as { reason: string }).reason, opened.progress.error?.code]);
        }
        return reasons;
      });
      assert.deepEqual(refused, [
        ['StreamRefused', 'unknown_stream', 'unknown_stream'],
        ['StreamRefused', 'bad_params', 'bad_params'],
        ['StreamRefused', 'bad_params', 'bad_params'],
      ]);
      await list(page, 'home', 'ann');
      await settled(page);
    });
  },
  { tables: STREAMS },
);

declare global {
  // The page's own.
  var stream: ReturnType<typeof db.stream>;
}
