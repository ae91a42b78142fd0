import assert from 'node:assert/strict';
import { after, before, mock, test } from 'node:test';
import { settle } from '../tests/unit/fake-worker.js';
import { AuthRequired, type SeaworthyError } from './errors.js';
import { type TokenCallback, TokenSource, userOf } from './token.js';

before(() => mock.timers.enable({ apis: ['setTimeout'] }));
after(() => mock.timers.reset());

function setUp(callback: TokenCallback) {
  const given: (string | null)[] = [];
  const reported: SeaworthyError[] = [];
  const missed: number[] = [];
  const source = new TokenSource(callback, {
    give: (token) => void given.push(token),
    miss: () => void missed.push(missed.length),
    report: (error) => void reported.push(error),
  });
  return { source, given, reported, missed };
}

test('a token, a promise of one, and null are handed on', async () => {
  const answers: TokenCallback[] = [() => 'a', async () => 'b', () => null];
  for (const callback of answers) {
    const { source, given } = setUp(callback);
    await source.demand(false);
    assert.deepEqual(given, [await callback({ renew: false })]);
  }
});

test('a callback that fails is asked again with longer pauses, and reported once', async () => {
  const asked: boolean[] = [];
  const { source, given, reported, missed } = setUp(({ renew }) => {
    asked.push(renew);
    if (asked.length < 4) throw new TypeError('Failed to fetch');
    return 'late';
  });
  await source.demand(true);
  for (const pause of [1000, 2000, 4000]) {
    mock.timers.tick(pause - 1);
    await settle();
    mock.timers.tick(1);
    await settle();
  }
  assert.deepEqual([asked, given], [[true, true, true, true], ['late']]);
  assert.equal(missed.length, 3, 'each failure is told to the engine');
  assert.equal(reported.length, 1);
  assert.ok(reported[0] instanceof AuthRequired && reported[0].cause instanceof TypeError);
});

test('only the newest demand is answered', async () => {
  const answers: ((token: string) => void)[] = [];
  const { source, given } = setUp(() => new Promise((resolve) => answers.push(resolve)));
  void source.demand(false);
  void source.demand(true);
  answers[1]?.('new');
  answers[0]?.('old');
  await settle();
  assert.deepEqual(given, ['new']);
});

test('after the stop nothing is asked or given', async () => {
  const { source, given, reported } = setUp(() => Promise.reject(new Error('down')));
  await source.demand(false);
  source.stop();
  mock.timers.tick(60_000);
  await settle();
  assert.deepEqual([given, reported.length], [[], 1]);
});

const jwt = (claims: object): string => `x.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.y`;

test('a token says whose it is, whatever alphabet the name is written in', () => {
  assert.deepEqual(userOf(jwt({ iss: 'https://id.example', sub: 'ännchen ÿ?>' })), { issuer: 'https://id.example', subject: 'ännchen ÿ?>' });
  for (const token of ['', 'a.b.c', jwt({ iss: 'i' }), jwt({ iss: 'i', sub: 7 }), 'x.bnVsbA.y']) assert.throws(() => userOf(token), AuthRequired, token);
});

test('asking who is signed in forgets former demands, and fails when it is nobody', async () => {
  const { source, given } = setUp(({ renew }) => (renew ? 'fresh' : null));
  const demand = source.demand(true);
  assert.equal(await source.current(true), 'fresh');
  await demand;
  assert.deepEqual(given, []);
  await assert.rejects(source.current(false), AuthRequired);
});
