// The demo as a person uses it, in words of a test.

import type { Profile, TestPage } from './harness.js';

export interface SeenTodo {
  readonly title: string;
  readonly done: boolean;
}

/** What browsers print when there is no network: not the application's doing, and not avoidable. */
const NETWORK_NOISE = /Failed to load resource|net::ERR_|WebSocket connection to|establish a connection|connection .* was interrupted|NetworkError/;

export class Demo {
  private constructor(readonly page: TestPage) {}

  /** Opens the demo in a new tab of a profile. */
  static async open(profile: Pick<Profile<TestPage>, 'page'>, url: string, size: { width?: number; height?: number } = {}): Promise<Demo> {
    const demo = new Demo(await profile.page(size));
    await demo.page.goto(`${url}/`);
    return demo;
  }

  /** Opens it on a device where somebody is signed in. */
  static async openFor(profile: Pick<Profile<TestPage>, 'page'>, url: string, user: string, offline: boolean): Promise<Demo> {
    const demo = new Demo(await profile.page({}));
    await demo.page.goto(`${url}/`);
    await demo.page.run(
      ([name, switchedOff]) => {
        localStorage.setItem('seaworthy-demo.user', name);
        if (switchedOff) localStorage.setItem('seaworthy-demo.offline', 'on');
      },
      [user, offline] as const,
    );
    await demo.page.goto(`${url}/`);
    return demo;
  }

  /** Waits until the database is open and the todos, or the welcome, are shown. */
  async ready(): Promise<void> {
    await this.page.until('the todos or the welcome', () => document.querySelector('.pane, .welcome') !== null);
  }

  /** Waits until the service worker can do without the server. */
  async keptOffline(): Promise<void> {
    await this.page.until('a service worker in control', () => navigator.serviceWorker.controller?.state === 'activated');
  }

  async addList(name: string): Promise<void> {
    await this.ready();
    const first = await this.page.run(() => document.querySelector('.welcome') !== null);
    await this.page.fill(first ? '[name=first-list]' : '[name=list]', name);
    await this.page.press('Enter');
    await this.shows(name);
  }

  /** Goes to a list. */
  async chooseList(name: string): Promise<void> {
    await this.hasList(name);
    const id = await this.page.run((wanted) => {
      const links = [...document.querySelectorAll<HTMLElement>('.list')];
      return links.find((list) => list.querySelector('.list-name')?.textContent === wanted)?.dataset.id;
    }, name);
    await this.page.click(`.list[data-id="${id}"] .list-link`);
    await this.shows(name);
  }

  /** Waits until the chosen list is this one. */
  async shows(name: string): Promise<void> {
    await this.page.until(`the list ${name} to be shown`, (wanted) => document.querySelector('.pane-title')?.textContent === wanted, name);
  }

  async hasList(name: string): Promise<void> {
    const names = (wanted: string) => [...document.querySelectorAll('.list-name')].some((element) => element.textContent === wanted);
    await this.page.until(`a list ${name} in the sidebar`, names, name);
  }

  async lacksList(name: string): Promise<void> {
    const absent = (wanted: string) => ![...document.querySelectorAll('.list-name')].some((element) => element.textContent === wanted);
    await this.page.until(`no list ${name} in the sidebar`, absent, name);
  }

  /** Invites somebody to the chosen list. */
  async invite(user: string): Promise<void> {
    await this.page.click('.share');
    await this.page.fill('[name=member]', user);
    await this.page.press('Enter');
    await this.page.until(`${user} among the people`, (name) => document.querySelector(`.person[data-user="${name}"]`) !== null, user);
    await this.page.press('Escape');
  }

  /** Ends that somebody is in the chosen list. */
  async takeOut(user: string): Promise<void> {
    await this.page.click('.share');
    await this.page.click(`.person[data-user="${user}"] .tool`);
    await this.page.until(`${user} not to be in it`, (name) => document.querySelector(`.person[data-user="${name}"]`) === null, user);
    await this.page.press('Escape');
  }

  /** Waits until the button beside the name of the chosen list says this. */
  async sharing(text: string): Promise<void> {
    await this.page.until(`the list to be “${text}”`, (wanted) => document.querySelector('.share')?.textContent === wanted, text);
  }

  /** The todos that say who added them. */
  async authors(): Promise<Record<string, string>> {
    return this.page.run(() => {
      const rows = [...document.querySelectorAll('.todo')].map((row) => [
        row.querySelector('.title-text')?.textContent,
        row.querySelector('.todo-author')?.textContent,
      ]);
      return Object.fromEntries(rows.filter(([, author]) => author));
    });
  }

  /** The writes in the panel that the server refused, with the reasons. */
  async refused(count: number): Promise<string[]> {
    await this.page.click('.badge');
    await this.page.until(`${count} refused writes`, (n) => document.querySelectorAll('[data-kind=rejected] .write').length === n, count);
    const texts = await this.page.run(() => [...document.querySelectorAll<HTMLElement>('[data-kind=rejected] .write')].map((item) => item.innerText));
    await this.page.press('Escape');
    return texts;
  }

  async addTodo(title: string): Promise<void> {
    await this.page.fill('[name=title]', title);
    await this.page.press('Enter');
    await this.hasTodo(title);
  }

  async hasTodo(title: string): Promise<void> {
    const present = (wanted: string) => [...document.querySelectorAll('.todo .title-text')].some((element) => element.textContent === wanted);
    await this.page.until(`a todo ${title}`, present, title);
  }

  async todos(): Promise<SeenTodo[]> {
    return this.page.run(() =>
      [...document.querySelectorAll<HTMLElement>('.todo')].map((row) => ({
        title: row.querySelector('.title-text')?.textContent ?? '',
        done: row.querySelector<HTMLInputElement>('.tick')?.checked ?? false,
      })),
    );
  }

  async titles(): Promise<string[]> {
    return (await this.todos()).map((todo) => todo.title);
  }

  /** Waits until exactly these todos are shown, in this order. */
  async showsTodos(titles: readonly string[]): Promise<void> {
    const same = (wanted: readonly string[]) =>
      JSON.stringify([...document.querySelectorAll('.todo .title-text')].map((element) => element.textContent)) === JSON.stringify(wanted);
    await this.page.until(`the todos ${JSON.stringify(titles)}`, same, titles);
  }

  /** Waits until these todos are shown, in any order. */
  async holdsTodos(titles: readonly string[]): Promise<void> {
    const same = (wanted: readonly string[]) =>
      JSON.stringify([...document.querySelectorAll('.todo .title-text')].map((element) => element.textContent).sort()) === JSON.stringify([...wanted].sort());
    await this.page.until(`the todos ${JSON.stringify(titles)}, in any order`, same, titles);
  }

  /** The selector of a todo's row, or of something in it. */
  async row(title: string, inside = ''): Promise<string> {
    await this.hasTodo(title);
    const id = await this.page.run((wanted) => {
      const rows = [...document.querySelectorAll<HTMLElement>('.todo')];
      return rows.find((row) => row.querySelector('.title-text')?.textContent === wanted)?.dataset.id;
    }, title);
    return `.todo[data-id="${id}"] ${inside}`.trim();
  }

  async toggle(title: string): Promise<void> {
    await this.page.click(await this.row(title, '.tick'));
  }

  async edit(title: string, changed: string): Promise<void> {
    await this.page.click(await this.row(title, '.title'));
    await this.page.run(() => document.querySelector<HTMLTextAreaElement>('.todo .editor')?.select());
    await this.page.type(changed);
    await this.page.press('Enter');
    await this.hasTodo(changed);
  }

  async remove(title: string): Promise<void> {
    await this.page.hover(await this.row(title));
    await this.page.click(await this.row(title, '[title=Delete]'));
  }

  async setOffline(offline: boolean): Promise<void> {
    const selector = '.sidebar [name=offline]';
    const is = await this.page.run((at) => document.querySelector<HTMLInputElement>(at)?.checked, selector);
    if (is !== offline) await this.page.click(selector);
    if (offline) await this.connection('offline');
  }

  async connection(wanted: string): Promise<void> {
    await this.page.until(`the connection to be ${wanted}`, (state) => document.querySelector<HTMLElement>('.badge')?.dataset.connection === state, wanted);
  }

  /** Waits until so many writes are pending. */
  async pending(count: number): Promise<void> {
    await this.page.until(`${count} pending writes`, (wanted) => document.querySelector<HTMLElement>('.badge')?.dataset.pending === String(wanted), count);
  }

  /** Waits until it is online and nothing is pending. */
  async settled(): Promise<void> {
    await this.connection('online');
    await this.pending(0);
  }

  /** Waits until a card asks which version of a todo is to stay. */
  async asksAbout(title: string): Promise<void> {
    const asked = (wanted: string) => document.querySelector('.conflict-title')?.textContent?.includes(wanted);
    await this.page.until(`a question about ${title}`, asked, title);
  }

  /** The versions on the cards. */
  async versions(): Promise<string[]> {
    return this.page.run(() => [...document.querySelectorAll('.conflict-text')].map((element) => element.textContent ?? ''));
  }

  async toast(text: string): Promise<void> {
    const shown = (wanted: string) => document.querySelector('.toast-text')?.textContent?.includes(wanted);
    await this.page.until(`a message with “${text}”`, shown, text);
  }

  /** What went wrong in the page, without what browsers print for want of a network. */
  problems(networkWasBroken: boolean): string[] {
    return networkWasBroken ? this.page.problems.filter((problem) => !NETWORK_NOISE.test(problem)) : [...this.page.problems];
  }
}
