import { type ColumnValues, decodeAnswer, type StatementAnswer } from './answer.js';
import { isolated } from './emitter.js';
import { errorFromWire, SeaworthyError, type WireError } from './errors.js';
import { development, keyColumns, rowBuilder } from './rows.js';
import type { Schema } from './schema.js';
import type { SqlValue } from './value.js';

/** What a live query needs of its database. */
export interface LiveHost {
  readonly schema: Schema;
  /** Begins to watch; resolves with the first result. */
  open(): Promise<Uint8Array>;
  close(): void;
  /** Nobody listens: the query is forgotten, or remembered again when somebody does. */
  idle(forgotten: boolean): void;
  /** An error that no subscriber takes. */
  unheard(error: SeaworthyError): void;
}

interface Subscriber<Row> {
  readonly listener: (rows: readonly Row[]) => void;
  readonly onError: ((error: SeaworthyError) => void) | undefined;
  /** The last rows that it got. */
  seen: readonly Row[] | undefined;
}

/** How long a query that nobody listens to goes on, for a component that is mounted again. */
const LINGER_MS = 1000;

/**
 * A query whose result follows the data. Results conflate: a slow reader gets the newest. A result that did not change is
 * not delivered, and rows that did not change keep their identity. Get one from `db.live(…)`.
 * @example
 * const live = db.live(sql.as(app.todos)`SELECT * FROM todos ORDER BY created_at`);
 * const stop = live.subscribe((rows) => render(rows), (error) => show(error));
 * for await (const rows of live) render(rows);
 */
export class LiveQuery<Row extends object> implements AsyncIterable<readonly Row[]> {
  readonly #host: LiveHost;
  readonly #subscribers = new Set<Subscriber<Row>>();
  #state: 'idle' | 'opening' | 'open' = 'idle';
  #lingering: ReturnType<typeof setTimeout> | undefined;
  #answer: StatementAnswer | undefined;
  #rows: readonly Row[] | undefined;

  constructor(host: LiveHost) {
    this.#host = host;
    this.#linger();
  }

  /**
   * The newest result: the same reference until it changes, `undefined` before the first.
   * @example
   * const rows = useSyncExternalStore(live.subscribe, live.getSnapshot);
   */
  readonly getSnapshot = (): readonly Row[] | undefined => this.#rows;

  /**
   * Calls back with the whole result, first and whenever it changes. An error does not end the query. The function that is
   * returned, or the signal, ends the subscription.
   * @example
   * const stop = live.subscribe((rows) => render(rows), (error) => show(error), { signal });
   */
  readonly subscribe = (
    listener: (rows: readonly Row[]) => void,
    onError?: (error: SeaworthyError) => void,
    options: { readonly signal?: AbortSignal } = {},
  ): (() => void) => {
    if (options.signal?.aborted) return () => {};
    const subscriber: Subscriber<Row> = { listener, onError, seen: undefined };
    const stop = (): void => this.#leave(subscriber);
    this.#subscribers.add(subscriber);
    options.signal?.addEventListener('abort', stop, { once: true });
    clearTimeout(this.#lingering);
    if (this.#state === 'idle') {
      this.#host.idle(false);
      void this.#open();
    } else queueMicrotask(() => this.#tell(subscriber));
    return stop;
  };

  /**
   * The results as they come, until the loop is left.
   * @example
   * for await (const rows of live) { if (rows.length > 0) break; }
   */
  [Symbol.asyncIterator](): AsyncGenerator<readonly Row[], void, void> {
    return this.results();
  }

  /**
   * The results as they come, until the loop is left or the signal aborts.
   * @example
   * for await (const rows of live.results({ signal })) render(rows);
   */
  async *results(options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<readonly Row[], void, void> {
    let slot: readonly Row[] | undefined;
    let failure: SeaworthyError | undefined;
    let wake = (): void => {};
    const stop = this.subscribe(
      (rows) => {
        slot = rows;
        wake();
      },
      (error) => {
        failure = error;
        wake();
      },
    );
    const aborted = (): void => wake();
    options.signal?.addEventListener('abort', aborted);
    try {
      while (!options.signal?.aborted) {
        if (failure) throw failure;
        if (slot) {
          const rows = slot;
          slot = undefined;
          yield rows;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      options.signal?.removeEventListener('abort', aborted);
      stop();
    }
  }

  /** The worker sends a result. @internal */
  receive(buffer: Uint8Array): void {
    if (this.#state === 'idle') return;
    try {
      const [answer] = decodeAnswer(buffer);
      if (answer) this.#take(answer);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The worker could not run the query. @internal */
  refuse(error: WireError): void {
    if (this.#state !== 'idle') this.#fail(errorFromWire(error));
  }

  /** Another worker runs, which does not know the query. @internal */
  restarted(): void {
    if (this.#state === 'open') void this.#open();
  }

  async #open(): Promise<void> {
    this.#state = 'opening';
    try {
      const buffer = await this.#host.open();
      if (this.#state === 'opening') this.#state = 'open';
      this.receive(buffer);
    } catch (error) {
      if (this.#state === 'opening') this.#state = 'open';
      this.#fail(error);
    }
  }

  #take(answer: StatementAnswer): void {
    const rows = reuseRows<Row>(answer, this.#answer, this.#rows, this.#host.schema);
    this.#answer = answer;
    this.#rows = rows;
    for (const subscriber of [...this.#subscribers]) this.#tell(subscriber);
  }

  #tell(subscriber: Subscriber<Row>): void {
    const rows = this.#rows;
    if (!rows || subscriber.seen === rows || !this.#subscribers.has(subscriber)) return;
    subscriber.seen = rows;
    isolated(() => subscriber.listener(rows));
  }

  #fail(thrown: unknown): void {
    const error = thrown instanceof SeaworthyError ? thrown : new SeaworthyError('Internal', String(thrown), { cause: thrown });
    const takers = [...this.#subscribers].flatMap(({ onError }) => onError ?? []);
    for (const onError of takers) isolated(() => onError(error));
    if (takers.length === 0) this.#host.unheard(error);
  }

  #leave(subscriber: Subscriber<Row>): void {
    if (this.#subscribers.delete(subscriber) && this.#subscribers.size === 0) this.#linger();
  }

  #linger(): void {
    this.#lingering = setTimeout(() => {
      if (this.#state !== 'idle') this.#host.close();
      this.#state = 'idle';
      this.#host.idle(true);
    }, LINGER_MS);
  }
}

/** Builds the rows of a new result, taking over the objects of rows whose cells are the same; the old array if nothing changed. */
function reuseRows<Row extends object>(
  answer: StatementAnswer,
  before: StatementAnswer | undefined,
  old: readonly Row[] | undefined,
  schema: Schema,
): readonly Row[] {
  const build = rowBuilder(answer, schema);
  const former = before && old && sameColumns(answer, before) ? new FormerRows(answer, before, schema) : undefined;
  let same = former !== undefined && answer.rowCount === old?.length;
  const rows = new Array<Row>(answer.rowCount);
  for (let row = 0; row < rows.length; row++) {
    const found = former?.find(row) ?? -1;
    const reused = old?.[found];
    rows[row] = reused ?? (build(row) as Row);
    same &&= reused !== undefined && found === row;
  }
  if (same && old) return old;
  return development ? Object.freeze(rows) : rows;
}

/** Finds the row of the last result that a row of this one is. */
class FormerRows {
  readonly #now: readonly ColumnValues[];
  readonly #before: readonly ColumnValues[];
  readonly #count: number;
  readonly #keys: readonly number[];
  #byKey: Map<unknown, number> | undefined;

  constructor(now: StatementAnswer, before: StatementAnswer, schema: Schema) {
    this.#now = now.columns.map((column) => column.values);
    this.#before = before.columns.map((column) => column.values);
    this.#count = before.rowCount;
    this.#keys = keyColumns(now, schema);
  }

  /** The number of the former row with the same cells, or -1. */
  find(row: number): number {
    if (row < this.#count && this.#equal(row, row)) return row;
    if (this.#keys.length === 0) return -1;
    this.#byKey ??= new Map(Array.from({ length: this.#count }, (_, former) => [this.#key(this.#before, former), former]));
    const former = this.#byKey.get(this.#key(this.#now, row));
    return former !== undefined && this.#equal(row, former) ? former : -1;
  }

  #key(columns: readonly ColumnValues[], row: number): unknown {
    const cells = this.#keys.map((column) => columns[column]?.[row]);
    return cells.length === 1 && !(cells[0] instanceof Uint8Array) ? cells[0] : cells.map((cell) => `${typeof cell}:${String(cell)}`).join('\0');
  }

  #equal(row: number, former: number): boolean {
    return this.#now.every((values, column) => equalCells(values[row], this.#before[column]?.[former]));
  }
}

function equalCells(a: SqlValue | undefined, b: SqlValue | undefined): boolean {
  if (Object.is(a, b)) return true;
  if (!(a instanceof Uint8Array && b instanceof Uint8Array) || a.length !== b.length) return false;
  return a.every((byte, i) => byte === b[i]);
}

function sameColumns(a: StatementAnswer, b: StatementAnswer): boolean {
  return (
    a.columns.length === b.columns.length &&
    a.columns.every(({ name, table, origin }, i) => {
      const other = b.columns[i];
      return name === other?.name && table === other.table && origin === other.origin;
    })
  );
}
