//! What a replica gets, and in which frames.

use super::{
    Bench, Client,
    bench::{code, open},
};
use seaworthy_protocol::{Cursor, Incarnation, Position, Value, limits};

fn text(values: &[&str]) -> Vec<Value> {
    values.iter().map(|value| Value::from(*value)).collect()
}

#[test]
fn a_new_replica_gets_everything_of_its_user_and_nothing_else() {
    let mut server = Bench::new();
    Client::new("alice", 1).sync(&mut server, "INSERT INTO lists VALUES ('a', 'A', 'alice', 'one')");
    Client::new("bob", 2).sync(&mut server, "INSERT INTO lists VALUES ('b', 'B', 'bob', 'two')");
    let pulled = server.pull("alice", None);
    assert!(pulled.checkpoint.reset);
    assert_eq!(pulled.checkpoint.cursor.position, server.core.head().unwrap());
    assert_eq!(pulled.rows.len(), 1);
    assert_eq!((pulled.rows[0].key.as_slice(), pulled.rows[0].gone.len()), (["id".to_owned()].as_slice(), 0));
    assert_eq!(pulled.rows[0].rows, [text(&["a", "A", "alice", "one"])]);
    assert!(server.pull("carol", None).rows.is_empty());
}

#[test]
fn a_replica_that_has_something_gets_what_changed_since_and_what_went() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    alice.sync(&mut server, "INSERT INTO lists VALUES ('a', 'A', 'alice', NULL), ('b', 'B', 'alice', NULL), ('c', 'C', 'alice', NULL)");
    let cursor = server.pull("alice", None).checkpoint.cursor;
    let same = server.pull("alice", Some(cursor));
    assert_eq!((same.rows.len(), same.checkpoint.reset, same.checkpoint.cursor), (0, false, cursor));
    alice.sync(&mut server, "UPDATE lists SET name = 'B2' WHERE id = 'b'; DELETE FROM lists WHERE id = 'c'");
    let pulled = server.pull("alice", Some(cursor));
    assert_eq!(pulled.rows[0].rows, [vec!["b".into(), "B2".into(), "alice".into(), Value::Null]]);
    assert_eq!(pulled.rows[0].gone, [text(&["c"])]);
    assert!(!pulled.checkpoint.reset);
}

#[test]
fn a_row_that_changes_hands_leaves_one_user_and_comes_to_the_other() {
    let schema = "
        CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT);
        CREATE TABLE gifts (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT);
        CREATE TRIGGER give AFTER INSERT ON gifts BEGIN UPDATE lists SET owner_id = 'bob' WHERE id = new.id; END;";
    let owned = super::bench::owned;
    let mut server = Bench::with(schema, &[("lists".to_owned(), owned()), ("gifts".to_owned(), owned())].into()).unwrap();
    let plain = "CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT); CREATE TABLE gifts (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT);";
    let mut alice = Client::with(plain, "alice", 1);
    alice.sync(&mut server, "INSERT INTO lists VALUES ('a', 'alice')");
    let cursor = Some(server.pull("alice", None).checkpoint.cursor);
    assert_eq!(code(&alice.sync(&mut server, "INSERT INTO gifts VALUES ('a', 'alice')")), "applied");
    let of_lists = |user| server.pull(user, cursor).rows.into_iter().find(|rows| rows.table == "lists").unwrap();
    assert_eq!((of_lists("alice").gone, of_lists("alice").rows.len()), (vec![text(&["a"])], 0));
    assert_eq!((of_lists("bob").rows, of_lists("bob").gone.len()), (vec![text(&["a", "bob"])], 0));
}

#[test]
fn a_cursor_of_another_history_starts_again_with_everything() {
    let mut server = Bench::new();
    Client::new("alice", 1).sync(&mut server, "INSERT INTO lists VALUES ('a', 'A', 'alice', NULL)");
    let Cursor { position, incarnation } = server.pull("alice", None).checkpoint.cursor;
    let unknown = Cursor { position, incarnation: Incarnation([99; 16]) };
    let ahead = Cursor { position: Position(position.0 + 1), incarnation };
    for cursor in [unknown, ahead] {
        let pulled = server.pull("alice", Some(cursor));
        assert!(pulled.checkpoint.reset);
        assert_eq!(pulled.rows.len(), 1);
    }
}

#[test]
fn rows_come_in_frames_of_bounded_size() {
    let schema = "
        CREATE TABLE blobs (id INTEGER NOT NULL PRIMARY KEY DESC, data BLOB);
        WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 50) INSERT INTO blobs SELECT i, zeroblob(40000) FROM n;
        INSERT INTO blobs VALUES (51, zeroblob(2000000));";
    let server = Bench::with(schema, &[("blobs".to_owned(), open())].into()).unwrap();
    let frames = server.pull("alice", None).rows;
    assert_eq!(frames.iter().map(|frame| frame.rows.len()).sum::<usize>(), 51);
    for frame in &frames {
        let size: usize = frame.rows.iter().flatten().map(Value::wire_size).sum();
        assert!(size <= limits::TARGET_ROWS_BYTES || frame.rows.len() == 1);
    }
}

#[test]
fn columns_that_are_not_listed_and_generated_ones_do_not_leave_the_server() {
    let schema = "CREATE TABLE a (secret TEXT DEFAULT 's', id TEXT NOT NULL PRIMARY KEY, v TEXT, twice TEXT AS (v || v))";
    let mut config = open();
    config.columns = Some(vec!["v".to_owned(), "id".to_owned()]);
    let mut server = Bench::with(schema, &[("a".to_owned(), config)].into()).unwrap();
    let mut client = Client::with("CREATE TABLE a (id TEXT NOT NULL PRIMARY KEY, v TEXT)", "alice", 1);
    assert_eq!(code(&client.sync(&mut server, "INSERT INTO a VALUES ('k', 'v')")), "applied");
    let rows = server.pull("alice", None).rows;
    assert_eq!(rows[0].columns, ["id", "v"]);
    assert_eq!(rows[0].rows, [text(&["k", "v"])]);
}

#[test]
fn values_come_back_as_they_were_written() {
    let schema = "CREATE TABLE v (id TEXT NOT NULL PRIMARY KEY, x)";
    let mut server = Bench::with(schema, &[("v".to_owned(), open())].into()).unwrap();
    let mut client = Client::with(schema, "alice", 1);
    let values = [
        Value::Integer(9_007_199_254_740_993),
        Value::Integer(i64::MIN),
        Value::Integer(1),
        Value::Real(1.0),
        Value::Real(5e-324),
        Value::Text("a\0b".to_owned()),
        Value::Text("007".to_owned()),
        Value::Blob(vec![]),
        Value::Blob(vec![0xff; 1_000_000]),
        Value::Null,
    ];
    for (at, value) in values.iter().enumerate() {
        client.conn.execute("DELETE FROM v", []).unwrap();
        let mut session = rusqlite::session::Session::new(&client.conn).unwrap();
        session.attach(None::<&str>).unwrap();
        client.conn.execute("INSERT INTO v VALUES (?1, ?2)", rusqlite::params![format!("{at}"), super::super::binding::Bound(value)]).unwrap();
        let mut bytes = Vec::new();
        session.changeset_strm(&mut bytes).unwrap();
        drop(session);
        let changes = seaworthy_protocol::Changes::from_changeset(&bytes, |_| Some(vec!["id".to_owned(), "x".to_owned()])).unwrap();
        let transaction = client.transaction(changes);
        assert_eq!(code(&client.push(&mut server, &[transaction])[0]), "applied");
    }
    let pulled = server.pull("alice", None).rows;
    let got: Vec<Value> = pulled.into_iter().flat_map(|frame| frame.rows).map(|mut row| row.remove(1)).collect();
    assert_eq!(got, values);
}
