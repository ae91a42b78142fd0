// Todos that two devices changed at once: what can be merged is merged, the rest becomes a question that waits for an answer.

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

export class Conflicts {
  private questions: readonly Question[] = [];
  private readonly withdraw: () => void;

  constructor(
    db: AppDatabase,
    private readonly onChange: (questions: readonly Question[]) => void,
  ) {
    this.withdraw = db.resolve('todos', (conflict) => this.decide(conflict));
  }

  stop(): void {
    this.withdraw();
  }

  private decide(conflict: RowConflict<Todo>): Todo | null | Promise<Todo | null> {
    const merge = mergeTodo(conflict);
    if (merge.kind === 'merged') return merge.todo;
    const { mine, theirs } = merge;
    return new Promise((resolve) => {
      const question: Question = {
        id: (mine ?? theirs)?.id ?? '',
        mine,
        theirs,
        choose: (todo) => {
          this.show(this.questions.filter((other) => other !== question));
          resolve(todo);
        },
      };
      this.show([...this.questions, question]);
    });
  }

  private show(questions: readonly Question[]): void {
    this.questions = questions;
    this.onChange(questions);
  }
}
