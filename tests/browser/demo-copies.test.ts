// A person keeps a copy of the todos as a file, and opens it again.

import assert from 'node:assert/strict';
import type { Demo } from './demo.js';
import { inEveryBrowser } from './stage.js';

const says = (demo: Demo, text: string) =>
  demo.page.until(`“${text}”`, (wanted) => document.querySelector('.copies-said')?.textContent?.includes(wanted), text);

/** Clicks a button of the copies, of those that are shown. */
const click = async (demo: Demo, text: string): Promise<void> => {
  const found = await demo.page.run((wanted) => {
    const button = [...document.querySelectorAll<HTMLElement>('.copies button')].find((each) => each.textContent === wanted && !each.hidden);
    button?.setAttribute('data-chosen', wanted);
    return button !== undefined;
  }, text);
  assert.ok(found, `no button ${text}`);
  await demo.page.click(`.copies [data-chosen="${text}"]`);
};

/** Has the page remember what it would save, and under which name. */
const catchDownload = (demo: Demo): Promise<void> =>
  demo.page.run(() => {
    HTMLAnchorElement.prototype.click = function () {
      Object.assign(globalThis, { savedAs: this.download });
    };
    const { createObjectURL } = URL;
    URL.createObjectURL = (blob: Blob) => {
      Object.assign(globalThis, { saved: blob });
      return createObjectURL(blob);
    };
  });

/** Chooses a file, as the dialog of the browser does: what was saved, or other bytes. */
const choose = (demo: Demo, text: string | null): Promise<void> =>
  demo.page.run((text) => {
    const { saved } = globalThis as unknown as { saved: Blob };
    const files = new DataTransfer();
    files.items.add(new File([text ?? saved], 'copy.sqlite'));
    const input = document.querySelector<HTMLInputElement>('[name=copy]');
    if (!input) throw new Error('nowhere to choose a file');
    input.files = files.files;
    input.dispatchEvent(new Event('change'));
  }, text);

inEveryBrowser('copies', (scenario) => {
  scenario('a copy is saved, is opened again after its todos are gone, and what is no copy changes nothing', async (stage) => {
    const ann = await stage.window(stage.server.url);
    await ann.addList('Kept');
    await ann.addTodo('In the copy');
    await ann.settled();
    await catchDownload(ann);
    await ann.page.click('.account');
    await click(ann, 'Download a copy');
    await says(ann, 'among your downloads');
    assert.match(await ann.page.run(() => (globalThis as unknown as { savedAs: string }).savedAs), /^todos-demo-\d{4}-\d\d-\d\d\.sqlite$/);
    await choose(ann, 'no database at all '.repeat(100));
    await says(ann, 'Nothing was changed');
    await ann.page.press('Escape');
    await ann.showsTodos(['In the copy']);

    await ann.setOffline(true);
    await ann.addTodo('Never sent');
    await ann.page.click('.account');
    await choose(ann, null);
    await says(ann, 'have not reached the server');
    await click(ann, 'Open it and lose them');
    await says(ann, 'are those of copy.sqlite now');
    await ann.page.press('Escape');
    await ann.showsTodos(['In the copy']);
    await ann.setOffline(false);
    await ann.settled();
    await ann.showsTodos(['In the copy']);
  });
});
