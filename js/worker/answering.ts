import type { Answers, Op } from '../messages.js';
import type { Client } from './client.js';
import type { Engine } from './engine.js';
import { toWire } from './failure.js';
import { HeldAnswers } from './held-answers.js';
import { NetworkPause } from './network-pause.js';
import type { GroupedWrite } from './write-group.js';

/** Gives answers to pages, those that rest on commits when everything that they rest on is stored. */
export class Answering {
  readonly #held = new HeldAnswers();
  /** What the network brings waits while there is no room for it. */
  readonly pause = new NetworkPause();

  give(client: Client, id: number, answer: Answers[Op]): void {
    client.send({ type: 'ok', id, answer });
  }

  fail(client: Client, id: number, error: unknown): void {
    client.send({ type: 'failed', id, error: toWire(error) });
  }

  /** Gives an answer when what the engine has committed until now is stored. */
  giveStored(engine: Engine, client: Client, id: number, answer: Answers[Op]): void {
    this.#whenStored(engine.settle(), client, id, answer);
  }

  /** Runs writes that share one write to the file. Each answer comes when all of them are stored. */
  writeTogether(engine: Engine, writes: readonly GroupedWrite[]): void {
    for (const { request } of writes) engine.acknowledge(request.received ?? []);
    const answers = engine.write_group(writes.map(({ request }) => request));
    const stored = engine.settle();
    for (const [at, { client, request }] of writes.entries()) {
      const answer = answers[at] as (typeof answers)[number];
      if ('error' in answer) this.fail(client, request.id, answer.error);
      else this.#whenStored(stored, client, request.id, answer);
    }
  }

  /** Resolves when all that wait were given; `undefined`: they were. */
  given(): Promise<unknown> | undefined {
    return this.#held.given();
  }

  /** Resolves when everything that was committed is stored and answered; rejects when it could not be stored. */
  async settled(engine: Engine): Promise<void> {
    const stored = engine.settle();
    if (!stored) return;
    await this.#held.given();
    await stored;
  }

  #whenStored(stored: Promise<void> | undefined, client: Client, id: number, answer: Answers[Op]): void {
    const tell = (): void => {
      this.give(client, id, answer);
      // There is room, also for what the network brings.
      if (stored) this.pause.end();
    };
    this.#held.hold(stored, tell, (error) => this.fail(client, id, error));
  }
}
