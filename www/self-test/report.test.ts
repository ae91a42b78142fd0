import assert from 'node:assert/strict';
import { test } from 'node:test';
import { described } from './check.js';
import { browserName, reportText } from './report.js';

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36';

test('a browser that also calls itself by other names is called by its own', () => {
  assert.equal(browserName(CHROME), 'Chrome 156.0.0.0');
  assert.equal(browserName(`${CHROME} Edg/156.0.1`), 'Edge 156.0.1');
  assert.equal(browserName('Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0'), 'Firefox 153.0');
  assert.equal(browserName('Mozilla/5.0 (Macintosh) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15'), 'Safari 26.1');
  assert.equal(browserName('curl'), 'A browser without a known name');
});

test('an error is described by its code, whatever class it has, and else by its name', () => {
  assert.equal(described({ code: 'QuotaExceeded', name: 'QuotaExceeded', message: 'full' }), 'QuotaExceeded: full');
  assert.equal(described(new TypeError('no function')), 'TypeError: no function');
  assert.equal(described(new Error('Expected 1.')), 'Expected 1.');
  assert.equal(described('odd'), 'odd');
});

test('the report says what came of each check', () => {
  const groups = [
    {
      title: 'In files',
      outcomes: [
        { title: 'Opens', state: 'passed', ms: 12.4, note: 'opfs' },
        { title: 'Reads', state: 'failed', ms: 3, note: 'BadSql: near x' },
      ],
    },
    { title: 'In IndexedDB', outcomes: [{ title: 'Opens', state: 'absent', ms: 1, note: '' }] },
  ] as const;
  const report = { groups: groups.map(({ title, outcomes }) => ({ title, outcomes: [...outcomes] })) };
  const text = reportText(report, { release: 'abc', userAgent: CHROME, now: new Date(0) });
  assert.equal(
    text,
    `Seaworthy self-test, release abc
Chrome 156.0.0.0
${CHROME}
1970-01-01T00:00:00.000Z
1 passed, 1 failed, 1 not offered by this browser

In files
  passed  Opens (12 ms): opfs
  failed  Reads (3 ms): BadSql: near x

In IndexedDB
  absent  Opens (1 ms)
`,
  );
});
