// Two versions of a todo become one: what only one side changed is taken from there. Only where both wrote different
// words, or one deleted what the other edited, a person has to say.

import type { RowConflict } from 'seaworthy';
import type { Todo } from './schema.js';

/** What two devices made of a todo; `null`: deleted. */
export type Merge =
  | { readonly kind: 'merged'; readonly todo: Todo | null }
  | { readonly kind: 'open'; readonly mine: Todo | null; readonly theirs: Todo | null };

/** Words, which nobody's device can choose between. */
const WORDS = ['title', 'note'] as const;

export function mergeTodo({ base, local, remote }: RowConflict<Todo>): Merge {
  if (!local || !remote) return local || remote ? { kind: 'open', mine: local, theirs: remote } : { kind: 'merged', todo: null };
  const kept = Object.fromEntries(Object.entries(local).filter(([column, value]) => value !== base?.[column as keyof Todo]));
  const mine: Todo = { ...remote, ...kept };
  const collide = WORDS.some((column) => column in kept && remote[column] !== base?.[column] && remote[column] !== local[column]);
  return collide ? { kind: 'open', mine, theirs: { ...mine, title: remote.title, note: remote.note } } : { kind: 'merged', todo: mine };
}
