// What a witness knows of acknowledged writes, and whether a database that was opened again has them.

import assert from 'node:assert/strict';
import type { Acknowledged, Held } from './sdk-writer.js';
import { pause } from './server.js';
import { Witness } from './witness.js';

const PATIENCE_MS = 15_000;
const POLL_MS = 5;

export class Ledger {
  private readonly acknowledged: Acknowledged[] = [];
  private read = 0;

  private constructor(private readonly witness: Witness) {}

  static async open(): Promise<Ledger> {
    return new Ledger(await Witness.start());
  }

  /** Where pages tell of their writes. */
  get url(): string {
    return this.witness.url;
  }

  /** The acknowledged writes whose rows begin with `prefix`. */
  writes(prefix: string): readonly Acknowledged[] {
    for (const told of this.witness.told.slice(this.read)) this.acknowledged.push(...(JSON.parse(told) as Acknowledged[]));
    this.read = this.witness.told.length;
    return this.acknowledged.filter(({ rows }) => rows[0]?.startsWith(prefix));
  }

  /** Waits until so many writes were acknowledged. */
  async heard(prefix: string, count = 1): Promise<void> {
    for (let waited = 0; this.writes(prefix).length < count; waited += POLL_MS) {
      assert.ok(waited < PATIENCE_MS, `no write of ${prefix} was acknowledged`);
      await pause(POLL_MS);
    }
  }

  /** Asserts that a database which was never online is whole, has every acknowledged write, and has each write queued once. */
  check({ rows, queued, integrity }: Held, prefix: string): void {
    assert.deepEqual(integrity, ['ok']);
    const there = new Set(rows);
    const waiting = new Set(queued.map(({ id }) => id));
    const lost = this.writes(prefix).filter((write) => !waiting.has(write.id) || write.rows.some((row) => !there.has(row)));
    assert.deepEqual(lost, [], 'acknowledged, and lost');
    assert.equal(waiting.size, queued.length, 'a write is queued twice');
    assert.deepEqual(queued.flatMap((write) => write.rows).sort(), [...rows].sort(), 'each row is queued exactly once');
    assertWhole(rows);
  }

  async remove(): Promise<void> {
    await this.witness.remove();
  }
}

/** A write is there with all of its rows, and in each lane nothing is missing before what is there. */
function assertWhole(rows: readonly string[]): void {
  const lanes = new Map<string, Map<number, { found: number; parts: number }>>();
  for (const row of rows) {
    const [, lane = '', n, parts] = /^(.*)\.(\d+)\.\d+\/(\d+)$/.exec(row) ?? [];
    const writes = lanes.get(lane) ?? new Map<number, { found: number; parts: number }>();
    lanes.set(lane, writes);
    writes.set(Number(n), { found: (writes.get(Number(n))?.found ?? 0) + 1, parts: Number(parts) });
  }
  for (const [lane, writes] of lanes) {
    for (let n = 0; n < writes.size; n++) assert.ok(writes.has(n), `${lane}.${n} is missing, and later ones are there`);
    for (const [n, { found, parts }] of writes) assert.equal(found, parts, `${lane}.${n} is there in part`);
  }
}
