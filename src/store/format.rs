//! The store's own tables, and the numbered migrations that bring an older file up to date.
//!
//! The number of the last migration stands in `PRAGMA user_version`. A file of a newer release is
//! refused and left alone. See `FORMAT.md`.

use crate::StoreError;
use rusqlite::Connection;

/// Migrations in order; the storage format's number is how many have run. Never edit one that was released.
pub(crate) const MIGRATIONS: &[&str] = &[
    // 1: the first format.
    "CREATE TABLE seaworthy_replica (
        one INTEGER PRIMARY KEY CHECK (one = 1),
        replica BLOB NOT NULL,
        issuer TEXT,
        subject TEXT,
        anonymous INTEGER NOT NULL DEFAULT 0,
        position INTEGER,
        incarnation BLOB,
        sent_through INTEGER NOT NULL DEFAULT 0,
        left_through INTEGER NOT NULL DEFAULT 0,
        kept_through INTEGER NOT NULL DEFAULT 0,
        last_synced_at_ms INTEGER,
        uniques INTEGER,
        indexed_through INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE seaworthy_outbox (
        ordinal INTEGER PRIMARY KEY,
        sequence INTEGER NOT NULL,
        id BLOB NOT NULL,
        position INTEGER,
        committed_at_ms INTEGER NOT NULL,
        base_position INTEGER,
        base_incarnation BLOB,
        schema_version INTEGER NOT NULL,
        after TEXT,
        policy TEXT,
        whole TEXT,
        reject_code TEXT,
        reject_message TEXT,
        reject_data TEXT,
        columns TEXT NOT NULL,
        seen BLOB NOT NULL,
        undo BLOB,
        touched BLOB NOT NULL
    );
    CREATE TABLE seaworthy_masked (
        ordinal INTEGER PRIMARY KEY
    );
    CREATE TABLE seaworthy_touches (
        object INTEGER NOT NULL,
        ordinal INTEGER NOT NULL,
        change INTEGER,
        cells BLOB,
        PRIMARY KEY (object, ordinal)
    ) WITHOUT ROWID;
    CREATE TABLE seaworthy_rejected (
        id BLOB NOT NULL PRIMARY KEY,
        position INTEGER NOT NULL,
        code TEXT NOT NULL,
        message TEXT NOT NULL,
        data TEXT,
        columns TEXT NOT NULL,
        seen BLOB NOT NULL,
        sequence INTEGER NOT NULL,
        after TEXT,
        whole TEXT,
        committed_at_ms INTEGER NOT NULL
    );
    CREATE INDEX seaworthy_rejected_sequence ON seaworthy_rejected (sequence);
    CREATE TABLE seaworthy_confirmed (
        number INTEGER PRIMARY KEY,
        id BLOB NOT NULL UNIQUE
    );
    CREATE TABLE seaworthy_kept (
        number INTEGER PRIMARY KEY,
        sequence INTEGER NOT NULL,
        position INTEGER NOT NULL,
        id BLOB NOT NULL,
        doubtful INTEGER NOT NULL DEFAULT 0,
        columns TEXT NOT NULL,
        seen BLOB NOT NULL,
        after TEXT,
        whole TEXT,
        committed_at_ms INTEGER NOT NULL,
        bytes_before INTEGER NOT NULL
    );
    CREATE INDEX seaworthy_kept_doubtful ON seaworthy_kept (id) WHERE doubtful;
    CREATE TABLE seaworthy_subscriptions (
        stream TEXT NOT NULL,
        params TEXT NOT NULL,
        keep_until_ms INTEGER,
        PRIMARY KEY (stream, params)
    ) WITHOUT ROWID;
    CREATE TABLE seaworthy_streams (
        number INTEGER PRIMARY KEY,
        state TEXT NOT NULL
    );
    CREATE TABLE seaworthy_buckets (
        number INTEGER PRIMARY KEY,
        bucket TEXT NOT NULL UNIQUE,
        tbl TEXT,
        rows INTEGER NOT NULL,
        checksum INTEGER NOT NULL,
        whole INTEGER NOT NULL,
        mismatches INTEGER NOT NULL,
        skipped TEXT
    );
    CREATE INDEX seaworthy_buckets_tbl ON seaworthy_buckets (tbl);
    CREATE TABLE seaworthy_held (
        bucket INTEGER NOT NULL,
        key BLOB NOT NULL,
        checksum INTEGER NOT NULL,
        PRIMARY KEY (bucket, key)
    ) WITHOUT ROWID;
    CREATE INDEX seaworthy_held_key ON seaworthy_held (key);
    CREATE TABLE seaworthy_users (
        place TEXT NOT NULL PRIMARY KEY,
        pending INTEGER NOT NULL,
        last INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE seaworthy_requests (
        request TEXT NOT NULL PRIMARY KEY,
        receipt TEXT NOT NULL,
        buffer BLOB NOT NULL
    ) WITHOUT ROWID;",
];

/// Brings the store's tables to this build's format. Runs inside the caller's transaction.
pub(crate) fn migrate(conn: &Connection) -> Result<(), StoreError> {
    let supported = MIGRATIONS.len() as u32;
    let found: u32 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > supported {
        return Err(StoreError::NewerFormat { found, supported });
    }
    for migration in &MIGRATIONS[found as usize..] {
        conn.execute_batch(migration)?;
    }
    if found < supported {
        conn.execute_batch(&format!("PRAGMA user_version = {supported}"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn a_released_migration_never_changes_and_stands_in_the_document() {
        let document = include_str!("FORMAT.md");
        for (at, sql) in MIGRATIONS.iter().enumerate() {
            let words: Vec<_> = sql.split_whitespace().collect();
            let line = format!("| {} | `{:032x}` |", at + 1, xxh3_128(words.join(" ").as_bytes()));
            assert!(document.contains(&line), "FORMAT.md must list format {} with its hash: {line}", at + 1);
        }
    }
}
