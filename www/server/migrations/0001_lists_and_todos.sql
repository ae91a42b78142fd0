CREATE TABLE lists (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    owner_id TEXT NOT NULL,
    position REAL NOT NULL,
    created_at INTEGER NOT NULL
);

CREATE INDEX lists_owner ON lists (owner_id);

CREATE TABLE todos (
    id TEXT NOT NULL PRIMARY KEY,
    list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    done INTEGER NOT NULL,
    note TEXT,
    position REAL NOT NULL,
    owner_id TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);

CREATE INDEX todos_list ON todos (list_id);
CREATE INDEX todos_owner ON todos (owner_id);
