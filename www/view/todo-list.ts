// The todos of the chosen list, with one row that the Tab key reaches, arrow keys between rows, and reordering.

import { sortable } from '../drag.js';
import { arrange, fill, h } from '../element.js';
import { moved } from '../order.js';
import type { Todo } from '../schema.js';
import { type TodoActions, TodoRow } from './todo-row.js';

export interface TodoListActions extends TodoActions {
  /** Puts `todo` between two neighbours of the rows that are shown. */
  move(todo: Todo, before: string | null, after: string | null): void;
  announce(text: string): void;
  /** The list became empty while it had the focus, or the focus goes up beyond the first row. */
  leave(): void;
}

export class TodoList {
  readonly node = h('ul', { class: 'todos', 'aria-label': 'Todos' });
  private readonly rows = new Map<string, TodoRow>();
  private shown: readonly Todo[] = [];
  private waiting: readonly Todo[] | null = null;
  private dragging = false;
  private current: string | null = null;

  constructor(private readonly actions: TodoListActions) {
    this.node.addEventListener('keydown', (event) => this.keydown(event));
    this.node.addEventListener('focusin', (event) => this.setCurrent(this.rowOf(event.target)?.value.id ?? this.current));
    sortable(this.node, {
      grip: '.grip',
      rows: () => this.ordered().map((row) => row.node),
      onStart: () => {
        this.dragging = true;
      },
      onEnd: (from, to) => this.endDrag(from, to),
    });
  }

  update(todos: readonly Todo[]): void {
    if (this.dragging) {
      this.waiting = todos;
      return;
    }
    const focusedIndex = this.shown.findIndex((todo) => this.rows.get(todo.id)?.node.contains(document.activeElement));
    this.shown = todos;
    const present = new Set(todos.map((todo) => todo.id));
    for (const [id, row] of this.rows) if (!present.has(id)) this.drop(id, row);
    for (const todo of todos) this.show(todo);
    arrange(
      this.node,
      this.ordered().map((row) => row.node),
    );
    if (!this.current || !present.has(this.current)) this.setCurrent(todos[Math.min(Math.max(focusedIndex, 0), todos.length - 1)]?.id ?? null);
    if (focusedIndex >= 0 && !this.node.contains(document.activeElement)) this.focusIndex(Math.min(focusedIndex, todos.length - 1));
  }

  /** Forgets the rows of another list. */
  clear(): void {
    for (const [id, row] of this.rows) this.drop(id, row);
    this.shown = [];
    this.waiting = null;
    this.current = null;
    fill(this.node);
  }

  focusCurrent(): void {
    const row = this.current ? this.rows.get(this.current) : this.ordered()[0];
    row?.focus();
  }

  /** The row that holds the focus. */
  focused(): TodoRow | null {
    return this.rowOf(document.activeElement);
  }

  private drop(id: string, row: TodoRow): void {
    this.rows.delete(id);
    row.leave();
  }

  private show(todo: Todo): void {
    const row = this.rows.get(todo.id);
    if (!row) {
      const made = new TodoRow(todo, this.actions);
      made.setCurrent(todo.id === this.current);
      this.rows.set(todo.id, made);
    } else if (row.value !== todo) row.update(todo);
  }

  private ordered(): TodoRow[] {
    return this.shown.flatMap((todo) => this.rows.get(todo.id) ?? []);
  }

  private rowOf(target: EventTarget | null): TodoRow | null {
    const node = target instanceof Element ? target.closest<HTMLElement>('.todo') : null;
    return (node?.dataset.id && this.rows.get(node.dataset.id)) || null;
  }

  private setCurrent(id: string | null): void {
    if (this.current) this.rows.get(this.current)?.setCurrent(false);
    this.current = id;
    if (id) this.rows.get(id)?.setCurrent(true);
  }

  private focusIndex(index: number): void {
    const todo = this.shown[index];
    if (todo) this.rows.get(todo.id)?.focus();
    else this.actions.leave();
  }

  private keydown(event: KeyboardEvent): void {
    const row = this.rowOf(event.target);
    if (!row || row.isEditing || event.ctrlKey || event.metaKey) return;
    const index = this.shown.indexOf(row.value);
    const onGrip = event.target instanceof Element && event.target.closest('.grip') !== null;
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step !== 0 && (event.altKey || onGrip)) this.reorder(index, index + step, onGrip);
    else if (step !== 0) this.focusIndex(Math.min(index + step, this.shown.length - 1));
    else if (event.altKey) return;
    else if (event.key === 'Home') this.focusIndex(0);
    else if (event.key === 'End') this.focusIndex(this.shown.length - 1);
    else if (event.key === 'Enter' && event.target instanceof HTMLInputElement) row.editTitle();
    else if (event.key === 'Delete' || event.key === 'Backspace') this.actions.remove(row.value);
    else return;
    event.preventDefault();
  }

  private reorder(from: number, to: number, onGrip: boolean): void {
    const todo = this.shown[from];
    if (!todo || to < 0 || to >= this.shown.length) return;
    this.place(from, to);
    const row = this.rows.get(todo.id);
    if (onGrip) row?.focusGrip();
    else row?.focus();
    row?.node.scrollIntoView({ block: 'nearest' });
    this.actions.announce(`“${todo.title}” is now ${to + 1} of ${this.shown.length}.`);
  }

  private endDrag(from: number, to: number): void {
    this.dragging = false;
    const waiting = this.waiting;
    this.waiting = null;
    if (from !== to) this.place(from, to);
    else if (waiting) this.update(waiting);
  }

  /** Shows the new order at once; the live query brings the same a moment later. */
  private place(from: number, to: number): void {
    const todo = this.shown[from];
    if (!todo) return;
    this.shown = moved(this.shown, from, to);
    arrange(
      this.node,
      this.ordered().map((row) => row.node),
    );
    this.actions.move(todo, this.shown[to - 1]?.id ?? null, this.shown[to + 1]?.id ?? null);
  }
}
