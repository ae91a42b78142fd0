-- Who may see and write a list besides its owner.
CREATE TABLE members (
    list_id TEXT NOT NULL REFERENCES lists (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    PRIMARY KEY (list_id, user_id)
);

CREATE INDEX members_user ON members (user_id);

-- A list that is put away stays on the server; devices fetch its todos when it is looked at.
ALTER TABLE lists ADD COLUMN archived INTEGER NOT NULL DEFAULT 0;
