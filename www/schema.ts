import { boolean, type Database, id, integer, type RowOf, real, schema, table, text } from 'seaworthy';

export const app = schema({
  lists: table({ id: id(), name: text(), owner_id: text(), position: real(), created_at: integer() }),
  todos: table(
    {
      id: id(),
      list_id: text().references('lists.id', { onDelete: 'cascade' }),
      title: text(),
      done: boolean().default(false),
      note: text().nullable(),
      position: real(),
      owner_id: text(),
      created_at: integer(),
      updated_at: integer(),
    },
    { indexes: [['list_id', 'position']], onConflict: 'manual' },
  ),
});

export type List = RowOf<typeof app.lists>;
export type Todo = RowOf<typeof app.todos>;
export type AppDatabase = Database<typeof app>;
