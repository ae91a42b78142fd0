import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { settle } from '../tests/unit/fake-worker.js';
import { BadValue } from './errors.js';
import { mark, marked, StorageSource, type StorageStatus, type StorageTier, tiersOf } from './storage.js';

const GLOBALS = ['navigator', 'isSecureContext', 'localStorage'] as const;
const former = GLOBALS.map((name) => Object.getOwnPropertyDescriptor(globalThis, name));

function give(values: Partial<Record<(typeof GLOBALS)[number], unknown>>): void {
  for (const [name, value] of Object.entries(values)) Object.defineProperty(globalThis, name, { configurable: true, value });
}

afterEach(() => {
  GLOBALS.forEach((name, at) => {
    const descriptor = former[at];
    if (descriptor) Object.defineProperty(globalThis, name, descriptor);
    else Reflect.deleteProperty(globalThis, name);
  });
});

/** A source that writes down its events. */
function watched(tiers: readonly StorageTier[] = ['opfs', 'indexeddb']) {
  const events: [string, StorageStatus][] = [];
  const source = new StorageSource('test', tiers, {
    notPersisted: (status) => events.push(['not persisted', status]),
    lost: (status) => events.push(['lost', status]),
  });
  return { source, events };
}

/** A page that keeps what it is told in `localStorage`. */
function withPage(storage: unknown): Map<string, string> {
  const kept = new Map<string, string>();
  const localStorage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  };
  give({ navigator: { storage, locks: {} }, isSecureContext: true, localStorage });
  return kept;
}

test('files come first and IndexedDB next, unless told; what is no tier is refused', () => {
  withPage(undefined);
  assert.deepEqual(tiersOf(), ['opfs', 'indexeddb']);
  assert.deepEqual(tiersOf('memory'), ['memory']);
  assert.deepEqual(tiersOf(['indexeddb', 'memory']), ['indexeddb', 'memory']);
  for (const wrong of [[], 'disk', ['opfs', 'disk']]) assert.throws(() => tiersOf(wrong as StorageTier[]), BadValue);
});

test('the page remembers where a database is, and does without where that is blocked', () => {
  const kept = withPage(undefined);
  mark('a', 'indexeddb');
  assert.deepEqual([marked('a'), marked('b')], ['indexeddb', null]);
  mark('a', null);
  assert.deepEqual([marked('a'), kept.size], [null, 0]);
  kept.set('seaworthy:a', 'nonsense');
  assert.equal(marked('a'), null);
  Object.defineProperty(globalThis, 'localStorage', {
    configurable: true,
    get: () => {
      throw new Error('blocked');
    },
  });
  mark('a', 'opfs');
  assert.equal(marked('a'), null);
});

test('the first synced write tells once that the browser may delete it, unless the browser has promised not to', async () => {
  let persisted = false;
  withPage({ persisted: async () => persisted, persist: async () => (persisted = true), estimate: async () => ({ quota: 100, usage: 7 }) });
  const first = watched();
  first.source.located('opfs', false);
  first.source.synced();
  first.source.synced();
  await settle();
  const status = { tier: 'opfs', persisted: false, evictable: true, quota: 100, usage: 7, lost: false };
  assert.deepEqual(first.events, [['not persisted', status]]);
  assert.equal(await first.source.requestPersistence(), true);
  assert.deepEqual(first.source.getSnapshot(), { ...status, persisted: true, evictable: false });

  const next = watched();
  next.source.located('opfs', false);
  next.source.synced();
  await settle();
  assert.deepEqual(next.events, []);
});

test('memory that was asked for is no surprise, memory that was fallen back to is', async () => {
  withPage({ persisted: async () => true });
  const asked = watched(['memory']);
  const fallen = watched(['opfs', 'memory']);
  for (const { source } of [asked, fallen]) {
    source.located('memory', false);
    source.synced();
  }
  await settle();
  assert.deepEqual(asked.events, []);
  assert.deepEqual(
    fallen.events.map(([name, { tier, evictable }]) => [name, tier, evictable]),
    [['not persisted', 'memory', true]],
  );
});

test('a browser that has none of the calls leaves things unknown', async () => {
  for (const storage of [undefined, {}, { persisted: () => Promise.reject(new Error('no')), estimate: () => Promise.reject(new Error('no')) }]) {
    withPage(storage);
    const { source } = watched();
    source.located('indexeddb', false);
    const unknown = { tier: 'indexeddb', persisted: null, evictable: true, quota: null, usage: null, lost: false };
    assert.deepEqual(await source.refresh(), unknown);
    assert.equal(await source.requestPersistence(), false);
  }
});

test('a database that vanished is told once, and stays known in the page', () => {
  withPage(undefined);
  const { source, events } = watched();
  source.located('opfs', true);
  source.located('opfs', true);
  source.located('opfs', false);
  assert.deepEqual(
    events.map(([name]) => name),
    ['lost'],
  );
  assert.equal(source.getSnapshot().lost, true);
});
