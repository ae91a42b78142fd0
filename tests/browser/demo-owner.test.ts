// Whose database it is: one tab's at a time, one user's for good, and of one release of the application.

import { inEveryBrowser } from './stage.js';

inEveryBrowser('the demo and its owners', (scenario) => {
  scenario('a second tab says that it waits, and takes over when the first closes', async (stage) => {
    const profile = await stage.profile();
    const first = await stage.window(stage.server.url, profile);
    await first.addList('Shared');
    await first.addTodo('From the first tab');
    const second = await stage.window(stage.server.url, profile);
    await second.page.until('a word about the other tab', () => document.body.innerText.includes('Open in another tab'));
    await first.page.close();
    await second.ready();
    await second.showsTodos(['From the first tab']);
    await second.addTodo('From the second tab');
    await second.settled();
  });

  scenario('users do not mix, and signing out says what has not been sent', async (stage) => {
    const ann = await stage.window(stage.server.url);
    await ann.addList('Mine');
    await ann.addTodo('Secret');
    await ann.settled();
    await ann.setOffline(true);
    await ann.addTodo('Unsent');
    await ann.page.click('.account');
    await ann.page.until('a warning', () => document.querySelector('.account-warning')?.textContent?.includes('1 change has not reached the server'));
    await ann.page.click('dialog[open] .dialog-actions .button');
    await ann.page.until('the sign-in', () => document.querySelector('[name=user]') !== null);
    await ann.page.fill('[name=user]', 'other');
    await ann.page.press('Enter');
    await ann.page.until('the welcome', () => document.querySelector('.welcome') !== null);
    await ann.page.click('.account');
    await ann.page.click('dialog[open] .dialog-actions .button');
    await ann.page.until('the sign-in', () => document.querySelector('[name=user]') !== null);
    await ann.page.press('Enter');
    await ann.showsTodos(['Secret', 'Unsent']);
    await ann.pending(1);
    await ann.setOffline(false);
    await ann.settled();
  });
});
