// Todos that two devices changed at once: what can be merged is merged, the rest becomes a question that waits for an answer.
// Of a list that the user is not in any more nothing is asked: the write stays among those that were refused.

import type { RowConflict } from 'seaworthy';
import { mergeTodo } from './merge.js';
import type { AppDatabase, Todo } from './schema.js';

/** Two versions of a todo; `null`: deleted. */
export interface Question {
  readonly id: string;
  readonly mine: Todo | null;
  readonly theirs: Todo | null;
  choose(todo: Todo | null): void;
}

export interface ConflictListeners {
  change(questions: readonly Question[]): void;
  /** A write was refused, and there is nothing to choose. */
  refused(): void;
}

interface Waiting extends Question {
  /** Leaves the write among the refused ones. */
  giveUp(): void;
}

export class Conflicts {
  private questions: readonly Waiting[] = [];
  private readonly withdraw: () => void;

  constructor(
    db: AppDatabase,
    /** Whether a list is this user's to see. */
    private readonly isSeen: (listId: string) => boolean,
    private readonly on: ConflictListeners,
  ) {
    this.withdraw = db.resolve('todos', (conflict) => this.decide(conflict));
  }

  stop(): void {
    this.withdraw();
  }

  /** Lists went: what is asked about their todos has no answer. */
  review(): void {
    for (const question of this.questions) if (this.isLost(question)) question.giveUp();
  }

  private decide(conflict: RowConflict<Todo>): Todo | null | Promise<Todo | null | undefined> {
    const merge = mergeTodo(conflict);
    if (merge.kind === 'merged') return merge.todo;
    const { mine, theirs } = merge;
    return new Promise((resolve) => {
      const end = (todo: Todo | null | undefined) => {
        this.show(this.questions.filter((other) => other !== question));
        resolve(todo);
      };
      const giveUp = () => {
        end(undefined);
        this.on.refused();
      };
      const question: Waiting = { id: (mine ?? theirs)?.id ?? '', mine, theirs, choose: end, giveUp };
      if (this.isLost(question)) giveUp();
      else this.show([...this.questions, question]);
    });
  }

  private isLost({ mine, theirs }: Question): boolean {
    return theirs === null && mine !== null && !this.isSeen(mine.list_id);
  }

  private show(questions: readonly Waiting[]): void {
    this.questions = questions;
    this.on.change(questions);
  }
}
