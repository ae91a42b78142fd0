// One user's lists and todos: every write that the demo makes. A write is on this device when its promise is kept,
// and travels to the server by itself. Whatever deletes something answers how to bring it back.

import { type Sql, sql } from 'seaworthy';
import { between } from './order.js';
import type { AppDatabase, List, Member, Todo } from './schema.js';

/** Brings back what a deletion took away. */
export type Undo = () => Promise<void>;

export class Workspace {
  private moves: Promise<void> = Promise.resolve();

  constructor(
    private readonly db: AppDatabase,
    private readonly user: string,
  ) {}

  async addList(name: string): Promise<string> {
    const last = await this.db.get(sql<{ position: number | null }>`SELECT max(position) AS position FROM lists`);
    const position = between(last?.position ?? null, null) ?? 1;
    const receipt = await this.db.tables.lists.insert({ name, owner_id: this.user, position, created_at: Date.now(), archived: false });
    return idOf(receipt.rows);
  }

  async renameList(id: string, name: string): Promise<void> {
    await this.db.exec(sql`UPDATE lists SET name = ${name} WHERE id = ${id}`);
  }

  /** Deletes a list with its todos. */
  async deleteList(list: List): Promise<Undo> {
    const [todos, members] = await Promise.all([
      this.db.tables.todos.where({ list_id: list.id }).all(),
      this.db.tables.members.where({ list_id: list.id }).all(),
    ]);
    await this.db.exec(sql`DELETE FROM lists WHERE id = ${list.id}`);
    return async () => {
      await this.db.batch([insertList(list), ...members.map(insertMember), ...todos.map(insertTodo)]);
    };
  }

  /** Puts a list away, for everybody who is in it. */
  async archive(list: List): Promise<Undo> {
    await this.setArchived(list.id, true);
    return () => this.setArchived(list.id, false);
  }

  async bringBack(list: List): Promise<void> {
    await this.setArchived(list.id, false);
  }

  /** Shares a list with somebody. */
  async invite(listId: string, user: string): Promise<void> {
    await this.db.exec(insertMember({ list_id: listId, user_id: user, added_at: Date.now() }));
  }

  /** Ends that somebody is in a list. */
  async takeOut(listId: string, user: string): Promise<void> {
    await this.db.exec(sql`DELETE FROM members WHERE list_id = ${listId} AND user_id = ${user}`);
  }

  async leaveList(listId: string): Promise<void> {
    await this.takeOut(listId, this.user);
  }

  /** Adds todos at the end of a list, all or none. */
  async addTodos(listId: string, titles: readonly string[]): Promise<void> {
    const last = await this.db.get(sql<{ position: number | null }>`SELECT max(position) AS position FROM todos WHERE list_id = ${listId}`);
    const first = between(last?.position ?? null, null) ?? 1;
    const now = Date.now();
    const common = { list_id: listId, done: false, note: null, owner_id: this.user, created_at: now, updated_at: now };
    await this.db.tables.todos.insertMany(titles.map((title, index) => ({ ...common, title, position: first + index })));
  }

  async setDone(id: string, done: boolean): Promise<void> {
    await this.db.exec(sql`UPDATE todos SET done = ${done}, updated_at = ${Date.now()} WHERE id = ${id}`);
  }

  /** Writes what was edited. Answers whether the todo was still there: somebody else may have deleted it meanwhile. */
  async setText(todo: Todo): Promise<boolean> {
    const { id, title, note } = todo;
    const receipt = await this.db.exec(sql`UPDATE todos SET title = ${title}, note = ${note}, updated_at = ${Date.now()} WHERE id = ${id}`);
    return receipt.changes > 0;
  }

  /** Puts a todo back that is gone. */
  async restoreTodo(todo: Todo): Promise<void> {
    await this.db.exec(insertTodo(todo));
  }

  async deleteTodo(todo: Todo): Promise<Undo> {
    await this.db.exec(sql`DELETE FROM todos WHERE id = ${todo.id}`);
    return () => this.restoreTodo(todo);
  }

  async clearCompleted(listId: string): Promise<Undo> {
    const completed = await this.db.tables.todos.where({ list_id: listId, done: true }).all();
    await this.db.exec(sql`DELETE FROM todos WHERE list_id = ${listId} AND done = ${true}`);
    return async () => {
      await this.db.batch(completed.map(insertTodo));
    };
  }

  /** Puts a todo between two others of its list, `null` at an end. */
  moveTodo(todo: Todo, before: string | null, after: string | null): Promise<void> {
    // One after the other: a second move must see the positions that the first one gave.
    const move = this.moves.then(() => this.place(todo, before, after));
    this.moves = move.catch(() => {});
    return move;
  }

  private async setArchived(id: string, archived: boolean): Promise<void> {
    await this.db.exec(sql`UPDATE lists SET archived = ${archived} WHERE id = ${id}`);
  }

  private async place(todo: Todo, before: string | null, after: string | null): Promise<void> {
    const rows = await this.db.all(sql<Placed>`SELECT id, position FROM todos WHERE list_id = ${todo.list_id} AND id <> ${todo.id} ORDER BY position, id`);
    const positionOf = (id: string | null) => rows.find((row) => row.id === id)?.position ?? null;
    const position = between(positionOf(before), positionOf(after));
    if (position !== null) await this.db.exec(sql`UPDATE todos SET position = ${position} WHERE id = ${todo.id}`);
    else await this.db.batch(renumber(todo.id, before, rows));
  }
}

interface Placed {
  readonly id: string;
  readonly position: number;
}

function renumber(id: string, before: string | null, others: readonly Placed[]): Sql[] {
  const ids = others.map((row) => row.id);
  const at = before === null ? 0 : ids.indexOf(before) + 1;
  return [...ids.slice(0, at), id, ...ids.slice(at)].map((row, index) => sql`UPDATE todos SET position = ${index + 1} WHERE id = ${row}`);
}

function insertList(list: List): Sql {
  return sql`
    INSERT INTO lists (id, name, owner_id, position, created_at, archived)
    VALUES (${list.id}, ${list.name}, ${list.owner_id}, ${list.position}, ${list.created_at}, ${list.archived})`;
}

function insertMember(member: Member): Sql {
  return sql`INSERT INTO members (list_id, user_id, added_at) VALUES (${member.list_id}, ${member.user_id}, ${member.added_at})`;
}

function insertTodo(todo: Todo): Sql {
  return sql`
    INSERT INTO todos (id, list_id, title, done, note, position, owner_id, created_at, updated_at)
    VALUES (${todo.id}, ${todo.list_id}, ${todo.title}, ${todo.done}, ${todo.note}, ${todo.position},
            ${todo.owner_id}, ${todo.created_at}, ${todo.updated_at})`;
}

function idOf(rows: readonly { id: string }[]): string {
  const [row] = rows;
  if (!row) throw new TypeError('An insert answered without its row.');
  return row.id;
}
