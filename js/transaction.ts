import { decodeAnswer, type StatementAnswer } from './answer.js';
import { encodeCall, type Statement } from './call.js';
import { type Core, rowsOf, single } from './core.js';
import { LeaderLost, NotAllowed } from './errors.js';
import type { Runner, Write, WriteOptions } from './query.js';
import { type Result, TransactionReceipt } from './receipt.js';
import type { Schema, Tables } from './schema.js';
import type { AnyRow, Sql } from './sql.js';
import { type TableHandles, tableHandles } from './tables.js';
import { requestId, uuid } from './uuid.js';

/**
 * How a transaction is run.
 * @example
 * const options: TransactionOptions = { retry: true };
 * await db.transaction((tx) => tx.exec(sql`DELETE FROM todos`), options);
 */
export interface TransactionOptions extends WriteOptions {
  /** Run the callback again when the worker that ran it went away. It must not have effects outside the transaction. */
  readonly retry?: boolean;
}

const MAX_RUNS = 3;

/**
 * An interactive transaction: what is read and written through it is one step for everyone else.
 * @example
 * await db.transaction(async (tx) => {
 *   const list = await tx.tables.lists.get(id);
 *   if (list) await tx.exec(sql`UPDATE lists SET position = ${list.position + 1} WHERE id = ${id}`);
 * });
 */
export class Transaction<S extends Tables = Tables> {
  readonly #steps: Steps;
  /** The tables, as in `db.tables`; what writes gives a result instead of a receipt. */
  readonly tables: TableHandles<S, 'transaction'>;

  /** @internal */
  constructor(steps: Steps) {
    this.#steps = steps;
    this.tables = tableHandles<S, 'transaction'>(steps.schema as Schema<S>, steps);
  }

  /**
   * Runs a statement that writes.
   * @example
   * const { changes } = await tx.exec(sql`DELETE FROM todos WHERE done = ${true}`);
   */
  exec<Row extends object = AnyRow>(query: Sql<Row>): Promise<Result<Row>> {
    return this.#steps.write<Row>(() => single(query));
  }

  /**
   * The rows of a query, which sees what the transaction wrote.
   * @example
   * const rows = await tx.all(sql`SELECT * FROM todos`);
   */
  all<Row extends object>(query: Sql<Row>): Promise<readonly Row[]> {
    return this.#steps.all(query);
  }

  /**
   * The first row of a query, if there is one.
   * @example
   * const row = await tx.get(sql<{ n: number }>`SELECT count(*) AS n FROM todos`);
   */
  async get<Row extends object>(query: Sql<Row>): Promise<Row | undefined> {
    return (await this.#steps.all(query))[0];
  }
}

/** Runs the statements of one transaction in the worker. */
class Steps implements Runner<'transaction'> {
  readonly #connection: Core['connection'];
  readonly #id: string;
  readonly #running = new Set<Promise<unknown>>();
  readonly schema: Schema;
  #ended = false;

  constructor({ connection, schema }: Core, id: string) {
    this.#connection = connection;
    this.schema = schema;
    this.#id = id;
  }

  async all<Row extends object>(query: Sql<Row>): Promise<readonly Row[]> {
    const [answer] = await this.#run([single(query)]);
    return rowsOf(answer, this.schema);
  }

  async write<Row extends object>(make: () => Write<Row>, options: WriteOptions = {}): Promise<Result<Row>> {
    if (options.onConflict) throw new NotAllowed('A transaction is decided as one: give onConflict to db.transaction.');
    const write = make();
    if (write.sets === 0) return { changes: 0, rows: [] };
    const [answer] = await this.#run([write]);
    return { changes: answer?.changes ?? 0, rows: write.rows ?? rowsOf<Row>(answer, this.schema) };
  }

  live(): never {
    throw new NotAllowed('A transaction has no live queries: call db.live outside of it.');
  }

  /** Waits for calls that the callback did not await, and refuses later ones. */
  async settle(): Promise<void> {
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
    this.#ended = true;
  }

  async #run(statements: readonly Statement[]): Promise<StatementAnswer[]> {
    if (this.#ended) throw new NotAllowed('The transaction has ended: await every call inside its callback.');
    const step = this.#connection.call({ op: 'step', transaction: this.#id, call: encodeCall(statements) });
    this.#running.add(step);
    try {
      return decodeAnswer(await step);
    } finally {
      this.#running.delete(step);
    }
  }
}

/** Runs a callback in a transaction: commits when it returns, rolls back when it throws. */
export async function transact<S extends Tables, T>(
  core: Core,
  work: (tx: Transaction<S>) => Promise<T> | T,
  { retry = false, ...options }: TransactionOptions,
): Promise<TransactionReceipt<T>> {
  for (let run = 1; ; run++) {
    try {
      return await runOnce(core, work, options);
    } catch (error) {
      if (!(error instanceof LeaderLost) || !retry || run >= MAX_RUNS) throw error;
    }
  }
}

async function runOnce<S extends Tables, T>(
  core: Core,
  work: (tx: Transaction<S>) => Promise<T> | T,
  { signal, onConflict: policy }: WriteOptions,
): Promise<TransactionReceipt<T>> {
  const transaction = uuid();
  const steps = new Steps(core, transaction);
  try {
    await core.connection.call({ op: 'begin', transaction }, signal);
    const value = await work(new Transaction<S>(steps));
    await steps.settle();
    signal?.throwIfAborted();
    const receipt = await core.connection.call({ op: 'commit', transaction, request: requestId(), ...(policy ? { policy } : {}) });
    core.committed(receipt);
    return new TransactionReceipt(receipt, value, core.writes);
  } catch (error) {
    await steps.settle();
    await core.connection.call({ op: 'rollback', transaction }).catch(() => {});
    throw error;
  }
}
