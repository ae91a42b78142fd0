import type { Connection } from './connection.js';
import { BadValue, type SeaworthyError } from './errors.js';
import type { Value } from './generated/protocol.js';
import type { StreamMessage } from './messages.js';
import { Snapshot } from './snapshot.js';
import { Stream, type StreamInfo, type StreamStatus, type Streams, Subscription, UNKNOWN } from './stream.js';
import { tag, untag } from './tag.js';
import { type Bindable, toSqlValue } from './value.js';

/** The streams of a database, and those that this page subscribes to. */
export class StreamSet extends Snapshot<Streams> {
  readonly #connection: Connection;
  readonly #report: (error: SeaworthyError) => void;
  readonly #byKey = new Map<string, Asked>();
  #told: ReadonlyMap<string, StreamStatus> = new Map();

  constructor(connection: Connection, report: (error: SeaworthyError) => void) {
    super({ all: [], ready: false, rows: 0, fraction: 0 });
    this.#connection = connection;
    this.#report = report;
  }

  /** Subscribes to a stream, or joins the subscription that there is. */
  open(name: string, params: Readonly<Record<string, Bindable>>): Stream {
    const values = Object.fromEntries(
      Object.entries(params).map(([param, value]) => [param, toSqlValue(value, () => `The parameter ${param} of the stream ${name}`)]),
    );
    if (typeof name !== 'string' || name === '') throw new BadValue('The name of a stream is a text that is not empty, as the server configures it.');
    const tagged = Object.fromEntries(Object.entries(values).map(([param, value]) => [param, tag(value)]));
    const key = keyOf(name, tagged);
    const asked = this.#byKey.get(key) ?? this.#ask(key, name, tagged);
    asked.subscription.handles++;
    return new Stream(asked.subscription, name, Object.freeze(values), (keepMs) => this.#release(key, asked, keepMs));
  }

  /** The worker says what there is. */
  receive(messages: readonly StreamMessage[]): void {
    const all = messages.map(infoOf);
    this.#told = new Map(messages.map((message, at) => [keyOf(message.stream, message.params), all[at] ?? UNKNOWN]));
    for (const [key, { subscription }] of this.#byKey) subscription.note(this.#told.get(key) ?? UNKNOWN);
    const rows = sum(all.map((stream) => stream.rows));
    const ready = all.length > 0 && all.every((stream) => stream.ready || stream.error !== null);
    const fraction = fractionOf(ready, sum(messages.map(({ joined }) => joined)), sum(messages.map(({ buckets }) => buckets)));
    this.update({ all, ready, rows, fraction });
  }

  /** Another worker runs, which knows of none of the subscriptions of this page. */
  restarted(): void {
    for (const [key, asked] of this.#byKey) this.#send(key, asked);
  }

  /** Nothing comes any more. */
  end(error: SeaworthyError): void {
    for (const { subscription } of this.#byKey.values()) subscription.end(error);
  }

  #ask(key: string, stream: string, params: Readonly<Record<string, Value>>): Asked {
    const asked: Asked = { subscription: new Subscription(stream), stream, params };
    this.#byKey.set(key, asked);
    asked.subscription.note(this.#told.get(key) ?? UNKNOWN);
    this.#send(key, asked);
    return asked;
  }

  #send(key: string, { subscription, stream, params }: Asked): void {
    this.#connection.call({ op: 'stream', key, stream, params }).catch((error: SeaworthyError) => {
      subscription.end(error);
      if (error.code !== 'Closed' && error.code !== 'ServerSide') this.#report(error);
    });
  }

  #release(key: string, asked: Asked, keepMs: number): void {
    const { subscription } = asked;
    subscription.handles--;
    subscription.keepMs = Math.max(subscription.keepMs, keepMs);
    if (subscription.handles > 0 || this.#byKey.get(key) !== asked) return;
    this.#byKey.delete(key);
    this.#connection.call({ op: 'unstream', key, keepMs: subscription.keepMs }).catch(() => {});
  }
}

interface Asked {
  readonly subscription: Subscription;
  readonly stream: string;
  readonly params: Readonly<Record<string, Value>>;
}

/** Equal for equal parameters, in whatever order. */
function keyOf(stream: string, params: Readonly<Record<string, Value>>): string {
  return JSON.stringify([stream, Object.entries(params).sort(([one], [other]) => (one < other ? -1 : 1))]);
}

function infoOf({ stream, params, auto, ready, buckets, joined, rows, error }: StreamMessage): StreamInfo {
  const values = Object.fromEntries(Object.entries(params).map(([param, value]) => [param, untag(value)]));
  return { name: stream, params: values, auto, ready, granted: buckets > 0, rows, fraction: fractionOf(ready, joined, buckets), error };
}

function fractionOf(ready: boolean, joined: number, buckets: number): number {
  return ready ? 1 : buckets === 0 ? 0 : joined / buckets;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
