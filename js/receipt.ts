import type { ReceiptMessage } from './messages.js';
import type { ConfirmOptions, Writes } from './writes.js';

/**
 * What a write did.
 * @example
 * const { changes }: Result<object> = await db.exec(sql`DELETE FROM todos WHERE done = ${true}`);
 */
export interface Result<Row extends object> {
  /** How many rows its statements changed. */
  readonly changes: number;
  /** The rows that were inserted, or that RETURNING gave. */
  readonly rows: readonly Row[];
}

/**
 * A write that is committed on this device.
 * @example
 * const receipt = await db.tables.todos.insert({ title: 'Milk' });
 * await receipt.confirmed({ timeout: 5000 });
 */
export class Receipt<Row extends object = object> implements Result<Row> {
  /** The transaction's identity for ever; `null` when nothing changed that synchronises. */
  readonly id: string | null;
  /** How many rows its statements changed. */
  readonly changes: number;
  /** The rows that were inserted, or that RETURNING gave. */
  readonly rows: readonly Row[];
  readonly #writes: Writes;

  constructor(message: ReceiptMessage, rows: readonly Row[], writes: Writes) {
    this.id = message.id;
    this.changes = message.changes;
    this.rows = rows;
    this.#writes = writes;
  }

  /**
   * Resolves when the server has accepted the write. Rejects with `WriteRejected`, or with `ConfirmTimeout` while it is still pending.
   * @example
   * await receipt.confirmed({ timeout: 5000, signal });
   */
  async confirmed(options?: ConfirmOptions): Promise<void> {
    if (this.id !== null) await this.#writes.confirmed(this.id, options);
  }
}

/**
 * What a batch did: `results` holds one entry per statement, `rows` are those of the last.
 * @example
 * const { results } = await db.batch([sql`DELETE FROM todos`, sql`DELETE FROM lists RETURNING id`]);
 */
export class BatchReceipt extends Receipt {
  /** One entry per statement. */
  readonly results: readonly Result<object>[];

  constructor(message: ReceiptMessage, results: readonly Result<object>[], writes: Writes) {
    super(message, results.at(-1)?.rows ?? [], writes);
    this.results = results;
  }
}

/**
 * What a transaction did, with what its callback returned.
 * @example
 * const { value } = await db.transaction(async (tx) => (await tx.get(sql`SELECT 1 AS one`))?.one);
 */
export class TransactionReceipt<Value> extends Receipt {
  /** What the callback returned. */
  readonly value: Value;

  constructor(message: ReceiptMessage, value: Value, writes: Writes) {
    super(message, [], writes);
    this.value = value;
  }
}

/** A promise that knows whether anybody listens to it, so that a failure nobody awaits can be reported elsewhere. */
export class WritePromise<T> extends Promise<T> {
  #heard = false;

  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  /** Wraps a promise. `report` gets a failure that nobody awaits, and says whether somebody took it. */
  static watch<T>(work: Promise<T>, report: (error: unknown) => boolean): WritePromise<T> {
    const watched = new WritePromise<T>((resolve, reject) => work.then(resolve, reject));
    Promise.prototype.then.call(watched, undefined, () => {});
    work.catch((error) =>
      setTimeout(() => {
        // Nobody at all: it becomes an unhandled rejection, like that of any promise.
        if (!watched.#heard && !report(error)) void Promise.reject(error);
      }, 0),
    );
    return watched;
  }

  // biome-ignore lint/suspicious/noThenProperty: a promise has one
  override then<A = T, B = never>(
    onDone?: ((value: T) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#heard = true;
    return super.then(onDone, onFailed);
  }
}
