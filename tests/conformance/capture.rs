//! Scenarios 1 to 3: the queue holds exactly what stayed.

use crate::fixture::{Fixture, rejected};
use seaworthy_store::Call;

#[test]
fn a_transaction_is_queued_with_what_it_changed() {
    let mut f = Fixture::new();
    let receipt = f.exec(&["INSERT INTO lists VALUES ('l', 'Home')", "INSERT INTO todos (id, title) VALUES ('a', 'Milk')"]);
    assert_eq!(receipt.changes, 2);
    assert_eq!(receipt.sequence.unwrap().0, 1);
    assert_eq!(f.last_changes(), ["insert lists l", "insert todos a"]);
}

#[test]
fn a_rolled_back_transaction_leaves_no_trace() {
    let mut f = Fixture::new();
    f.store.begin().unwrap();
    f.store.step(&Call::batch(["INSERT INTO lists VALUES ('l', 'Home')"])).unwrap();
    f.store.rollback().unwrap();
    assert_eq!(f.pending_count(), 0);
    assert!(f.rows("SELECT id FROM lists").is_empty());
    assert!(f.try_exec(&["INSERT INTO lists VALUES ('l', 'Home')", "INSERT INTO nowhere VALUES (1)"]).is_err());
    assert_eq!(f.pending_count(), 0);
    assert!(f.rows("SELECT id FROM lists").is_empty());
}

#[test]
fn a_savepoint_rolled_back_inside_a_transaction_is_not_queued() {
    let mut f = Fixture::new();
    f.store.begin().unwrap();
    for sql in [
        "INSERT INTO lists VALUES ('kept', '')",
        "SAVEPOINT s",
        "INSERT INTO lists VALUES ('lost', '')",
        "UPDATE lists SET name = 'x'",
        "ROLLBACK TO s",
        "RELEASE s",
    ] {
        f.store.step(&Call::batch([sql])).unwrap();
    }
    let stamp = f.stamp();
    f.store.commit("r", stamp).unwrap();
    assert_eq!(f.last_changes(), ["insert lists kept"]);
    assert_eq!(f.rows("SELECT id || name FROM lists"), ["kept"]);
}

#[test]
fn what_a_failing_statement_had_changed_before_it_failed_is_not_queued() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('l', 'before')"]);
    f.store.begin().unwrap();
    f.store.step(&Call::batch(["INSERT INTO lists VALUES ('kept', '')"])).unwrap();
    for sql in ["INSERT INTO lists VALUES ('lost', ''), ('kept', '')", "UPDATE lists SET name = 'lost', id = CASE id WHEN 'l' THEN 'm' ELSE 'm' END"] {
        assert_eq!(f.store.step(&Call::batch([sql])).unwrap_err().code(), "ConstraintViolation", "{sql}");
    }
    let stamp = f.stamp();
    f.store.commit("r", stamp).unwrap();
    assert_eq!(f.last_changes(), ["insert lists kept"]);
    assert_eq!(f.rows("SELECT id || name FROM lists ORDER BY id"), ["kept", "lbefore"]);
}

#[test]
fn a_transaction_that_changes_nothing_leaves_nothing() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('l', 'Home')"]);
    let same = f.exec(&["UPDATE lists SET name = 'Home'"]);
    let none = f.exec(&["DELETE FROM lists WHERE id = 'x'"]);
    let undone = f.exec(&["INSERT INTO lists VALUES ('m', '')", "DELETE FROM lists WHERE id = 'm'"]);
    let local = f.exec(&["INSERT INTO drafts VALUES ('d', 'text')"]);
    assert!([same, none, undone, local].iter().all(|receipt| receipt.id.is_none()));
    assert_eq!(f.pending_count(), 1);
}

#[test]
fn replace_ignore_and_upsert_are_captured_by_their_effect() {
    for recursive in ["OFF", "ON"] {
        let mut f = Fixture::new();
        f.exec(&[&format!("PRAGMA recursive_triggers = {recursive}"), "INSERT INTO todos (id, title, slug) VALUES ('a', 'A', 's'), ('b', 'B', 't')"]);
        f.exec(&["INSERT OR REPLACE INTO todos (id, title, slug) VALUES ('a', 'A2', 's')"]);
        assert_eq!(f.last_changes(), ["update todos a title:A>A2"]);
        assert!(f.exec(&["INSERT OR IGNORE INTO todos (id, title) VALUES ('a', 'nothing')"]).id.is_none());
        f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'A3') ON CONFLICT (id) DO UPDATE SET title = excluded.title"]);
        assert_eq!(f.last_changes(), ["update todos a title:A2>A3"]);
        f.exec(&["INSERT OR REPLACE INTO todos (id, title, slug) VALUES ('c', 'C', 't')"]);
        assert_eq!(f.last_changes(), ["delete todos b", "insert todos c"], "REPLACE evicts another row through UNIQUE");
        f.exec(&["UPDATE OR REPLACE todos SET slug = 's' WHERE id = 'c'"]);
        assert_eq!(f.last_changes(), ["delete todos a", "update todos c slug:t>s"]);
    }
}

#[test]
fn rows_that_replace_evicts_are_captured_with_all_that_hangs_on_them() {
    for (recursive, fired) in [("OFF", false), ("ON", true)] {
        let mut f = Fixture::new();
        f.exec(&["CREATE TRIGGER leave AFTER DELETE ON todos BEGIN INSERT INTO lists VALUES ('left-' || old.id, ''); END"]);
        f.exec(&[&format!("PRAGMA recursive_triggers = {recursive}"), "INSERT INTO todos (id, title, slug) VALUES ('a', 'A', 's'), ('b', 'B', 't')"]);
        f.exec(&["INSERT INTO notes VALUES ('n', 'b')"]);
        f.exec(&["UPDATE OR REPLACE todos SET slug = 't', title = 'A2' WHERE id = 'a'"]);
        let mut expected = vec!["*delete notes n", "delete todos b", "update todos a title:A>A2 slug:s>t"];
        expected.extend(fired.then_some("*insert lists left-b"));
        expected.sort_unstable();
        assert_eq!(f.last_changes(), expected, "SQLite runs delete triggers for evicted rows only where triggers are recursive");
        // A remote row moves all of it: taken back, and made again.
        let rows = f.todos(&[("a", "theirs")], &[]);
        assert_eq!(f.checkpoint(&[rows]).moved, 3);
        assert_eq!(f.rows("SELECT id || title || slug FROM todos"), ["aA2t"]);
        (1..=3).for_each(|sequence| f.decide(sequence, rejected));
        f.checkpoint(&[]);
        assert_eq!(f.titles(), ["a=theirs"]);
        assert!(f.rows("SELECT id FROM notes UNION SELECT id FROM lists").is_empty());
    }
}

#[test]
fn a_delete_without_where_names_every_row() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('a', ''), ('b', ''), ('c', '')"]);
    f.exec(&["DELETE FROM lists"]);
    assert_eq!(f.last_changes(), ["delete lists a", "delete lists b", "delete lists c"]);
    assert!(f.store.take_changed().contains("lists"));
}

#[test]
fn a_delete_that_was_first_tried_as_a_read_is_captured_all_the_same() {
    let schema = r#"{ "tables": [{ "name": "plain", "primary_key": ["id"], "columns": [{ "name": "id", "type": "TEXT" }] }] }"#;
    let mut f = Fixture::with_schema(schema);
    f.exec(&["INSERT INTO plain VALUES ('a')"]);
    assert!(f.store.read(&Call::batch(["DELETE FROM plain"])).is_err());
    f.exec(&["DELETE FROM plain"]);
    assert_eq!(f.last_changes(), ["delete plain a"], "not truncated behind the session's back");
}

#[test]
fn a_cascade_over_three_tables_is_captured_as_indirect() {
    let mut f = Fixture::new();
    f.exec(&["INSERT INTO lists VALUES ('l', '')", "INSERT INTO todos (id, list_id, title) VALUES ('t', 'l', '')", "INSERT INTO notes VALUES ('n', 't')"]);
    f.store.take_changed();
    f.exec(&["DELETE FROM lists WHERE id = 'l'"]);
    assert_eq!(f.last_changes(), ["*delete notes n", "*delete todos t", "delete lists l"]);
    let changed = f.store.take_changed();
    assert!(["lists", "todos", "notes"].iter().all(|table| changed.contains(*table)), "{changed:?}");
}

#[test]
fn triggers_are_captured_when_they_write_synced_tables_and_run_when_they_write_local_ones() {
    let mut f = Fixture::new();
    f.exec(&[
        "CREATE TRIGGER log_todo AFTER INSERT ON todos BEGIN INSERT INTO drafts VALUES (new.id, new.title); END",
        "CREATE TRIGGER note_todo AFTER INSERT ON todos BEGIN INSERT INTO notes VALUES ('n-' || new.id, new.id); END",
    ]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'A')"]);
    assert_eq!(f.last_changes(), ["*insert notes n-a", "insert todos a"]);
    assert_eq!(f.rows("SELECT id FROM drafts"), ["a"]);
    // A remote row: the local trigger runs, the synced one does not, since its effect would arrive as a row.
    let rows = f.todos(&[("b", "B")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.rows("SELECT id FROM drafts ORDER BY id"), ["a", "b"]);
    assert_eq!(f.rows("SELECT id FROM notes"), ["n-a"]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('c', 'C')"]);
    assert_eq!(f.last_changes(), ["*insert notes n-c", "insert todos c"], "the trigger is back");
}

#[test]
fn a_full_text_table_follows_local_and_remote_rows() {
    let mut f = Fixture::new();
    f.exec(&["CREATE VIRTUAL TABLE search USING fts5(id UNINDEXED, title)"]);
    f.exec(&["CREATE TRIGGER search_in AFTER INSERT ON todos BEGIN INSERT INTO search VALUES (new.id, new.title); END"]);
    f.exec(&["CREATE TRIGGER search_out AFTER DELETE ON todos BEGIN DELETE FROM search WHERE id = old.id; END"]);
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'red apple')"]);
    let rows = f.todos(&[("b", "red pear")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.rows("SELECT id FROM search WHERE search MATCH 'red' ORDER BY id"), ["a", "b"]);
    let gone = f.todos(&[], &["b"]);
    f.checkpoint(&[gone]);
    assert_eq!(f.rows("SELECT id FROM search WHERE search MATCH 'red'"), ["a"]);
}

#[test]
fn a_statement_that_may_not_run_says_what_to_do_and_changes_nothing() {
    let mut f = Fixture::new();
    for (sql, words) in [
        ("BEGIN", "db.transaction"),
        ("COMMIT", "db.transaction"),
        ("ATTACH 'x' AS y", "ATTACH"),
        ("DROP TABLE todos", "schema"),
        ("ALTER TABLE todos ADD COLUMN x", "schema"),
        ("DELETE FROM seaworthy_outbox", "belongs to Seaworthy"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode"),
        ("INSERT INTO lists VALUES ('a', ''); DELETE FROM lists", "db.batch"),
    ] {
        let error = f.try_exec(&[sql]).unwrap_err();
        assert_eq!(error.code(), "NotAllowed", "{sql}: {error}");
        assert!(error.to_string().contains(words), "{sql}: {error}");
    }
    assert_eq!(f.try_exec(&["SELEC 1"]).unwrap_err().code(), "BadSql");
    assert_eq!(f.store.read(&Call::batch(["DELETE FROM lists"])).unwrap_err().code(), "NotAllowed");
    assert_eq!(f.try_exec(&["SELECT ?1"]).unwrap_err().code(), "BadSql", "a parameter without a value");
    assert_eq!(f.pending_count(), 0);
}
