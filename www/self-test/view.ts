// What the self-test shows: each check with what it came to, a total, and the report to take along.

import { fill, h, setAttribute, setText } from '../element.js';
import { icon } from '../icon.js';
import type { Group, Outcome, Report, State } from './check.js';
import { browserName, reportText, summary, tally } from './report.js';

const WORDS: Readonly<Record<State, string>> = { waiting: 'Waiting', running: 'Running', passed: 'Passed', failed: 'Failed', absent: 'Not offered' };
const COPIED_MS = 3000;

export class View {
  readonly report: Report = { groups: [] };
  readonly node: HTMLElement;
  private readonly total = h('p', { class: 'test-total', role: 'status' });
  private readonly groups = h('div', { class: 'test-groups' });
  private readonly sections = new Map<Group, HTMLElement>();
  private readonly again: HTMLButtonElement;
  private readonly copy: HTMLButtonElement;
  private readonly text = h('textarea', { class: 'test-report', readonly: true, rows: 12, 'aria-label': 'The report as text' });
  private readonly details = h('details', { class: 'test-details' }, h('summary', {}, 'The report as text'), this.text);

  constructor(start: () => void) {
    this.again = h('button', { class: 'button', type: 'button', on: { click: start } }, 'Run again');
    this.copy = h('button', { class: 'button button-primary', type: 'button', on: { click: () => void this.copyReport() } }, 'Copy report');
    this.node = h(
      'main',
      { class: 'test' },
      h('div', { class: 'cover-mark' }, icon('anchor')),
      h('h1', {}, 'Does this browser hold water?'),
      h(
        'p',
        { class: 'test-lead' },
        'This page tries in your browser what Seaworthy promises: databases that it makes for this, and deletes afterwards. Nothing leaves your device.',
      ),
      h('p', { class: 'test-browser' }, browserName(navigator.userAgent)),
      this.total,
      h('div', { class: 'test-actions' }, this.copy, this.again, h('a', { class: 'button button-quiet', href: './' }, 'To the todos')),
      this.groups,
      this.details,
    );
  }

  begin(): void {
    this.sections.clear();
    fill(this.groups);
    this.work(true);
    setText(this.total, 'Running. This takes some seconds.');
  }

  /** Shows what became of a group. */
  update(group: Group): void {
    let section = this.sections.get(group);
    if (!section) {
      section = h('section', { class: 'test-group' }, h('h2', {}, group.title), h('ul'));
      this.sections.set(group, section);
      this.groups.append(section);
    }
    const list = section.querySelector('ul');
    if (list) fill(list, ...group.outcomes.map(row));
  }

  end(): void {
    this.work(false);
    setText(this.total, `${summary(this.report)}.`);
    setAttribute(this.total, 'data-state', tally(this.report).failed > 0 ? 'failed' : 'passed');
    const release = new URL(import.meta.url).pathname.split('/').at(-2) ?? 'unknown';
    this.text.value = reportText(this.report, { release, userAgent: navigator.userAgent, now: new Date() });
  }

  /** Says why nothing is run. */
  refuse(text: string): void {
    this.work(false);
    setText(this.total, text);
  }

  private work(busy: boolean): void {
    setAttribute(this.node, 'aria-busy', busy ? 'true' : 'false');
    if (busy) setAttribute(this.total, 'data-state', null);
    this.again.disabled = busy;
    this.copy.disabled = busy;
    this.details.hidden = busy;
  }

  /** Where the clipboard is not to be had the text is shown, and chosen. */
  private async copyReport(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.text.value);
      setText(this.copy, 'Copied');
      setTimeout(() => setText(this.copy, 'Copy report'), COPIED_MS);
    } catch {
      this.details.open = true;
      this.text.focus();
      this.text.select();
    }
  }
}

function row({ title, state, ms, note }: Outcome): HTMLElement {
  const isOver = state !== 'waiting' && state !== 'running';
  return h(
    'li',
    { class: 'test-check', 'data-state': state },
    h('span', { class: 'test-state' }, WORDS[state]),
    h('span', { class: 'test-title' }, title),
    h('span', { class: 'test-time' }, isOver ? `${ms.toFixed(0)} ms` : ''),
    note !== '' && h('p', { class: 'test-note' }, note),
  );
}
