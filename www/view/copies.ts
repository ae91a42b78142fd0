// The todos as a file: a copy to keep, and one that takes their place. Opening says what would be lost, and asks.

import { SeaworthyError } from 'seaworthy';
import { h, setText } from '../element.js';
import { failure } from '../failure.js';

/** What copies are made of. */
export interface Copied {
  export(options: CopyOptions): Promise<Blob>;
  import(file: File, options: CopyOptions & { readonly discardPending: boolean }): Promise<void>;
}

interface CopyOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: { readonly done: number; readonly total: number | null }) => void;
}

/** The browser needs the address until it has begun to save. */
const SAVING_MS = 60_000;

/** What opening a copy may meet. */
const REFUSED: Readonly<Record<string, string>> = {
  BadFile: 'This file is no copy of your todos, or it is damaged. Nothing was changed.',
  SchemaMismatch: 'This file is of another application, or of another version of this one. Nothing was changed.',
  QuotaExceeded: 'This device has no room left for the copy. Nothing was changed.',
};

export class Copies {
  readonly node: HTMLElement;
  private readonly said = h('p', { class: 'copies-said', role: 'status' });
  private readonly bar = h('progress', { class: 'copies-bar', max: 1, value: 0, 'aria-label': 'Progress', hidden: true });
  private readonly file = h('input', { type: 'file', name: 'copy', hidden: true, accept: '.sqlite,.sqlite3,.db', on: { change: () => void this.open(false) } });
  private readonly save = this.button('Download a copy', () => void this.download());
  private readonly choose = this.button('Open a copy…', () => this.file.click());
  private readonly insist = this.button('Open it and lose them', () => void this.open(true), 'button button-danger');
  private readonly cancel = this.button('Cancel', () => this.ends?.abort());
  private ends: AbortController | null = null;

  constructor(
    private readonly db: Copied,
    private readonly user: string,
  ) {
    this.node = h(
      'section',
      { class: 'copies' },
      h('h3', {}, 'Copies'),
      h('div', { class: 'copies-actions' }, this.save, this.choose, this.insist, this.cancel, this.file),
      this.bar,
      this.said,
    );
    this.show(null);
  }

  /** Forgets what was said. */
  reset(): void {
    if (!this.ends) this.show(null);
  }

  private async download(): Promise<void> {
    await this.work('Making the copy…', 'The copy was given up.', failure, async (options) => {
      const url = URL.createObjectURL(await this.db.export(options));
      const day = new Date().toISOString().slice(0, 10);
      h('a', { href: url, download: `todos-${this.user}-${day}.sqlite` }).click();
      setTimeout(() => URL.revokeObjectURL(url), SAVING_MS);
      return 'The copy is among your downloads. Keep it to yourself: it holds all your todos.';
    });
  }

  private async open(discardPending: boolean): Promise<void> {
    const file = this.file.files?.[0];
    if (!file) return;
    const isPending = await this.work('Opening the copy…', 'Nothing was changed.', refusal, async (options) => {
      await this.db.import(file, { ...options, discardPending });
      return `The todos are those of ${file.name} now.`;
    });
    this.insist.hidden = !isPending;
    // The same file may be chosen again.
    if (!isPending) this.file.value = '';
  }

  /** Does something that takes a while. Says whether writes are in its way. */
  private async work(doing: string, givenUp: string, explain: (error: unknown) => string, what: (options: CopyOptions) => Promise<string>): Promise<boolean> {
    const ends = new AbortController();
    this.ends = ends;
    this.show(doing);
    try {
      const onProgress: CopyOptions['onProgress'] = ({ done, total }) => (this.bar.value = total ? done / total : 0);
      this.end(await what({ signal: ends.signal, onProgress }), 'calm');
    } catch (error) {
      if (ends.signal.aborted) this.end(givenUp, 'calm');
      else this.end(explain(error), 'problem');
      return error instanceof SeaworthyError && error.code === 'PendingWrites';
    }
    return false;
  }

  private end(text: string, tone: 'calm' | 'problem'): void {
    this.ends = null;
    this.show(text);
    this.said.dataset.tone = tone;
  }

  private show(text: string | null): void {
    const busy = this.ends !== null;
    setText(this.said, text ?? '');
    delete this.said.dataset.tone;
    this.bar.value = 0;
    this.bar.hidden = this.cancel.hidden = !busy;
    this.save.hidden = this.choose.hidden = busy;
    this.insist.hidden = true;
  }

  private button(text: string, click: () => void, kind = 'button'): HTMLButtonElement {
    return h('button', { class: kind, type: 'button', on: { click } }, text);
  }
}

function refusal(error: unknown): string {
  if (!(error instanceof SeaworthyError)) return failure(error);
  if (error.code === 'PendingWrites') return 'Some of your changes have not reached the server. Opening the copy loses them.';
  return REFUSED[error.code] ?? failure(error);
}
