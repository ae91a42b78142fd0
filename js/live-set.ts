import { encodeCall } from './call.js';
import type { Connection } from './connection.js';
import type { SeaworthyError } from './errors.js';
import { LiveQuery } from './live.js';
import type { EngineEvent } from './messages.js';
import type { Schema } from './schema.js';
import type { Sql } from './sql.js';

// Maps every byte to a character of its own.
const latin1 = new TextDecoder('latin1');

/** The live queries of a database: two that are equal share one watch. */
export class LiveSet {
  readonly #connection: Connection;
  readonly #schema: Schema;
  readonly #report: (error: SeaworthyError) => void;
  readonly #byCall = new Map<string, unknown>();
  readonly #open = new Map<number, Pick<LiveQuery<object>, 'receive' | 'refuse' | 'restarted'>>();
  #nextId = 1;

  constructor(connection: Connection, schema: Schema, report: (error: SeaworthyError) => void) {
    this.#connection = connection;
    this.#schema = schema;
    this.#report = report;
  }

  /** The live query for a statement with its values. */
  query<Row extends object>({ text, values }: Sql<Row>): LiveQuery<Row> {
    const call = encodeCall([{ text, values, sets: 1 }]);
    const key = latin1.decode(call);
    const known = this.#byCall.get(key) as LiveQuery<Row> | undefined;
    if (known) return known;
    const id = this.#nextId++;
    const live: LiveQuery<Row> = new LiveQuery<Row>({
      schema: this.#schema,
      open: () => this.#connection.call({ op: 'live', live: id, call }),
      close: () => void this.#connection.call({ op: 'unlive', live: id }).catch(() => {}),
      idle: (forgotten) => {
        if (forgotten) {
          this.#open.delete(id);
          if (this.#byCall.get(key) === live) this.#byCall.delete(key);
        } else {
          this.#open.set(id, live);
          if (!this.#byCall.has(key)) this.#byCall.set(key, live);
        }
      },
      unheard: this.#report,
    });
    this.#byCall.set(key, live);
    return live;
  }

  /** The worker sends a result, or why there is none. */
  receive(event: EngineEvent & { readonly type: 'live' }): void {
    const live = this.#open.get(event.id);
    if ('buffer' in event) live?.receive(event.buffer);
    else live?.refuse(event.error);
  }

  /** Another worker runs, which knows none of the queries. */
  restarted(): void {
    for (const live of this.#open.values()) live.restarted();
  }
}
