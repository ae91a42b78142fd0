//! Live queries by table invalidation.

use crate::fixture::Fixture;
use seaworthy_protocol::{BucketId, Rows, Value};
use seaworthy_store::Call;

#[test]
fn a_live_query_is_delivered_when_its_result_changed_and_only_then() {
    let mut f = Fixture::new();
    let call = Call::batch(["SELECT title FROM todos ORDER BY id"]);
    f.store.live_open(1, &call).unwrap();
    f.store.live_open(2, &Call::batch(["SELECT count(*) FROM drafts"])).unwrap();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'A')"]);
    assert_eq!(f.store.live_refresh().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [1]);
    f.exec(&["UPDATE todos SET done = 1"]);
    assert!(f.store.live_refresh().is_empty(), "the result is the same");
    f.exec(&["INSERT INTO drafts VALUES ('d', '')"]);
    assert_eq!(f.store.live_refresh().iter().map(|(id, _)| *id).collect::<Vec<_>>(), [2], "local tables are watched too");
    let rows = f.todos(&[("b", "B")], &[]);
    f.checkpoint(&[rows]);
    assert_eq!(f.store.live_refresh().len(), 1, "remote rows are delivered");
    f.store.live_close(1);
    f.exec(&["DELETE FROM todos"]);
    assert!(f.store.live_refresh().is_empty());
}

#[test]
fn a_live_query_never_sees_an_open_transaction() {
    let mut f = Fixture::new();
    f.store.live_open(1, &Call::batch(["SELECT id FROM lists"])).unwrap();
    f.store.begin().unwrap();
    f.store.step(&Call::batch(["INSERT INTO lists VALUES ('l', '')"])).unwrap();
    assert!(f.store.live_refresh().is_empty());
    let stamp = f.stamp();
    f.store.commit("r", stamp).unwrap();
    assert_eq!(f.store.live_refresh().len(), 1);
}

#[test]
fn a_view_is_watched_through_the_tables_beneath_it() {
    let mut f = Fixture::new();
    f.exec(&["CREATE VIEW open_todos AS SELECT * FROM todos WHERE done = 0"]);
    f.store.live_open(1, &Call::batch(["SELECT id FROM open_todos"])).unwrap();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('a', 'A')"]);
    assert_eq!(f.store.live_refresh().len(), 1);
}

#[test]
fn a_server_transaction_over_three_tables_is_delivered_whole() {
    let mut f = Fixture::new();
    const COUNTS: &str = "SELECT (SELECT count(*) FROM lists) || (SELECT count(*) FROM todos) || (SELECT count(*) FROM notes)";
    f.store.live_open(1, &Call::batch([COUNTS])).unwrap();
    f.exec(&["INSERT INTO todos (id, title) VALUES ('pending', '')"]);
    f.store.live_refresh();
    let rows = |table: &str, columns: &[&str], row: &[&str]| Rows {
        bucket: BucketId(table.into()),
        table: table.into(),
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        key: vec!["id".into()],
        rows: vec![row.iter().map(|value| Value::from(*value)).collect()],
        gone: vec![],
    };
    // The child comes before its parents: foreign keys are off while a checkpoint is applied.
    f.checkpoint(&[
        rows("notes", &["id", "todo_id"], &["n", "t"]),
        rows("todos", &["id", "list_id", "title"], &["t", "l", "Milk"]),
        rows("lists", &["id", "name"], &["l", "Home"]),
    ]);
    assert_eq!(f.store.live_refresh().len(), 1, "one delivery for one checkpoint");
    assert_eq!(f.rows(COUNTS), ["121"]);
    assert!(f.try_exec(&["INSERT INTO notes VALUES ('m', 'nowhere')"]).is_err(), "foreign keys are on again");
}
