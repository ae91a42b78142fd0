// What a person tries to do, and what is said of it: a way back from deletions, and a word in plain language when it fails.

import { SeaworthyError } from 'seaworthy';
import { failure } from './failure.js';
import { UndoStack } from './undo.js';
import type { Toasts } from './view/toast.js';
import type { Undo } from './workspace.js';

export class Attempts {
  private readonly undoStack = new UndoStack();

  /** Nothing is said any more when the signal is aborted. */
  constructor(
    private readonly toasts: Toasts,
    private readonly signal: AbortSignal,
  ) {}

  /** Says so when it fails. */
  attempt(work: Promise<void>): void {
    work.catch((error: unknown) => this.problem(error));
  }

  /** Offers the way back of a deletion. */
  undoable(deletion: Promise<Undo>, text: string): void {
    this.attempt(
      deletion.then((undo) => {
        const takeBack = this.undoStack.push(undo);
        this.toasts.show(text, { label: 'Undo', run: () => this.attempt(takeBack()) });
      }),
    );
  }

  /** Takes back the newest deletion. */
  undo(): void {
    this.toasts.hide();
    this.attempt(this.undoStack.undo().then((done) => this.toasts.announce(done ? 'Taken back' : 'Nothing to undo')));
  }

  /** What somebody else deleted while it was edited here is not lost without a word. */
  keepable(found: Promise<boolean>, title: string, restore: () => Promise<void>): void {
    this.attempt(
      found.then((there) => {
        if (!there) this.toasts.show(`“${title}” was deleted meanwhile.`, { label: 'Keep it', run: () => this.attempt(restore()) });
      }),
    );
  }

  /** Says what went wrong. */
  problem(error: unknown): void {
    if (!this.signal.aborted) this.toasts.show(failure(error), undefined, 'problem');
  }

  /** What fails without a person having done anything: the badge tells of the network, so only what a person can help is said. */
  background(error: SeaworthyError): void {
    if (error.cause instanceof SeaworthyError) this.problem(error.cause);
    else if (!error.retryable) this.problem(error);
  }
}
