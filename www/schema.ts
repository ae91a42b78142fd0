import { boolean, type Database, id, integer, type RowOf, real, schema, table, text } from 'seaworthy';

export const app = schema(
  {
    lists: table({ id: id(), name: text(), owner_id: text(), position: real(), created_at: integer(), archived: boolean().default(false) }),
    /** Who is in a list besides its owner. */
    members: table({
      list_id: text().references('lists.id', { onDelete: 'cascade' }).primaryKey(),
      user_id: text().primaryKey(),
      added_at: integer(),
    }),
    todos: table(
      {
        id: id(),
        list_id: text().references('lists.id', { onDelete: 'cascade' }),
        title: text(),
        done: boolean().default(false),
        note: text().nullable(),
        position: real(),
        /** Who added it. */
        owner_id: text(),
        created_at: integer(),
        updated_at: integer(),
      },
      { indexes: [['list_id', 'position']], onConflict: 'manual' },
    ),
  },
  { version: 2 },
);

export type List = RowOf<typeof app.lists>;
export type Member = RowOf<typeof app.members>;
export type Todo = RowOf<typeof app.todos>;
export type AppDatabase = Database<typeof app>;
