// The demo without its server and without a page that was open before: the browser is killed, and started where there is no network.

import { describe, test } from 'node:test';
import { Demo } from './demo.js';
import { BROWSERS } from './harness.js';
import { InstalledBrowser } from './installed.js';
import { TestServer } from './server.js';

const TIMEOUT_MS = 60_000;

for (const name of BROWSERS) {
  describe(`the demo from its cache, in ${name}`, () => {
    test('it opens with the server stopped after the browser was killed, keeps what is written, and sends it later', { timeout: TIMEOUT_MS }, async () => {
      const server = await TestServer.ofDemo();
      const browser = await InstalledBrowser.start(name);
      const open = () => Demo.open({ page: async () => (await browser.tab()).page }, server.url);
      try {
        const before = await open();
        await before.addList('Offline');
        await before.addTodo('Before');
        await before.settled();
        await before.keptOffline();
        await server.stop();
        await browser.kill();
        await browser.startAgain();

        const after = await open();
        await after.ready();
        await after.chooseList('Offline');
        await after.showsTodos(['Before']);
        await after.addTodo('While it is away');
        await after.pending(1);
        await server.run();
        await after.settled();
        await after.showsTodos(['Before', 'While it is away']);
      } finally {
        await browser.remove();
        await server.remove();
      }
    });
  });
}
