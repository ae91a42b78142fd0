// The report as plain text, for an issue.

import type { Report, State } from './check.js';

/** Names in user agents, those first that also call themselves by another's. */
const BROWSERS: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\bEdgA?\/([\d.]+)/, 'Edge'],
  [/\bOPR\/([\d.]+)/, 'Opera'],
  [/\bSamsungBrowser\/([\d.]+)/, 'Samsung Internet'],
  [/\b(?:Firefox|FxiOS)\/([\d.]+)/, 'Firefox'],
  [/(?:Chrome|CriOS)\/([\d.]+)/, 'Chrome'],
  [/\bVersion\/([\d.]+).*\bSafari\//, 'Safari'],
];

/** The browser's name and version, as far as it says. */
export function browserName(userAgent: string): string {
  for (const [pattern, name] of BROWSERS) {
    const version = pattern.exec(userAgent)?.[1];
    if (version !== undefined) return `${name} ${version}`;
  }
  return 'A browser without a known name';
}

/** How many checks came to what. */
export function tally({ groups }: Report): Readonly<Record<State, number>> {
  const counts = { waiting: 0, running: 0, passed: 0, failed: 0, absent: 0 };
  for (const { outcomes } of groups) for (const { state } of outcomes) counts[state]++;
  return counts;
}

/** The tally in words. */
export function summary(report: Report): string {
  const { passed, failed, absent } = tally(report);
  const offered = absent > 0 ? `, ${absent} not offered by this browser` : '';
  return `${passed} passed, ${failed} failed${offered}`;
}

export function reportText(report: Report, { release, userAgent, now }: { readonly release: string; readonly userAgent: string; readonly now: Date }): string {
  const lines = [`Seaworthy self-test, release ${release}`, browserName(userAgent), userAgent, now.toISOString(), summary(report)];
  for (const { title, outcomes } of report.groups) {
    lines.push('', title);
    for (const { state, title, ms, note } of outcomes) {
      lines.push(`  ${state.padEnd(7)} ${title} (${ms.toFixed(0)} ms)${note === '' ? '' : `: ${note}`}`);
    }
  }
  return `${lines.join('\n')}\n`;
}
