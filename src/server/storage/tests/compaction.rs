//! What the server forgets, and what nobody may notice of it.

use super::{
    Bench, Client,
    bench::{SCHEMA, code, fresh, migration, open, served, tables},
};
use crate::storage::{Location, SqliteCore, TableConfig};
use seaworthy_protocol::{Cursor, Incarnation, Policy, Position, Sequence, Value};

/// A server with a list that came and went, and one that stayed, and a cursor at every position.
fn aged() -> (Bench, Client, Vec<Cursor>) {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let mut cursors = vec![server.pull("alice", None).checkpoint.cursor];
    for sql in [
        "INSERT INTO lists VALUES ('gone', 'G', 'alice', NULL)",
        "INSERT INTO lists VALUES ('kept', 'K', 'alice', NULL)",
        "DELETE FROM lists WHERE id = 'gone'",
    ] {
        alice.sync(&mut server, sql);
        cursors.push(server.pull("alice", None).checkpoint.cursor);
    }
    (server, alice, cursors)
}

#[test]
fn who_stands_below_the_floor_starts_anew_and_who_stands_at_it_goes_on() {
    let (mut server, mut alice, cursors) = aged();
    alice.sync(&mut server, "UPDATE lists SET name = 'new' WHERE id = 'kept'");
    let floor = cursors[2].position;
    assert_eq!(server.core.compact(floor).unwrap(), floor);
    for cursor in &cursors[..2] {
        let pulled = server.pull("alice", Some(*cursor));
        assert!(pulled.checkpoint.reset);
        let lists = pulled.rows.iter().find(|rows| rows.table == "lists").unwrap();
        assert_eq!((lists.rows.len(), &lists.rows[0][1], lists.gone.len()), (1, &Value::from("new"), 0));
    }
    let pulled = server.pull("alice", Some(cursors[2]));
    assert!(!pulled.checkpoint.reset);
    assert_eq!((pulled.rows[0].rows.len(), pulled.rows[0].gone.clone()), (1, vec![vec![Value::from("gone")]]));
    let pulled = server.pull("alice", Some(cursors[3]));
    assert_eq!((pulled.checkpoint.reset, pulled.rows[0].rows.len(), pulled.rows[0].gone.len()), (false, 1, 0));
}

#[test]
fn history_below_the_floor_is_gone_and_positions_go_on() {
    let (mut server, mut alice, cursors) = aged();
    let head = cursors[3].position;
    assert_eq!(server.core.compact(Position(head.0 + 100)).unwrap(), head, "nobody stands behind the end");
    assert_eq!(server.rows("SELECT position FROM seaworthy_log"), [head.0.to_string()]);
    assert_eq!(server.rows("SELECT count(*) FROM seaworthy_rows WHERE gone"), ["0"]);
    assert_eq!(server.core.head().unwrap(), head);
    alice.sync(&mut server, "UPDATE lists SET name = 'on' WHERE id = 'kept'");
    assert_eq!(server.core.head().unwrap(), Position(head.0 + 1));
    let pulled = server.pull("alice", Some(cursors[3]));
    assert_eq!((pulled.checkpoint.reset, pulled.rows[0].rows.len()), (false, 1));
}

#[test]
fn the_floor_never_falls_and_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let location = Location::File(folder.path().join("server.db"));
    let start = |run| SqliteCore::open(&location, served(&tables()), &[migration(1, SCHEMA)], fresh(run), 0).unwrap();
    let mut server = Bench { core: start(1) };
    let mut alice = Client::new("alice", 1);
    for n in 0..4 {
        alice.sync(&mut server, &format!("INSERT INTO lists VALUES ('l{n}', 'L', 'alice', NULL)"));
    }
    let head = server.core.head().unwrap();
    let floor = Position(head.0 - 1);
    assert_eq!(server.core.compact(floor).unwrap(), floor);
    assert_eq!(server.core.compact(Position(1)).unwrap(), floor);
    drop(server);
    let server = Bench { core: start(2) };
    let at = |position: Position| Some(Cursor { position, incarnation: Incarnation([1; 16]) });
    assert!(!server.pull("alice", at(floor)).checkpoint.reset);
    assert!(server.pull("alice", at(Position(floor.0 - 1))).checkpoint.reset);
}

#[test]
fn a_retry_gets_its_answer_however_old_it_is() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let writes = ["INSERT INTO lists VALUES ('l', 'L', 'alice', NULL)", "DELETE FROM lists", "INSERT INTO lists VALUES ('m', 'M', 'bob', NULL)"]
        .map(|sql| alice.write(sql));
    let answers = alice.push(&mut server, &writes);
    server.core.compact(server.core.head().unwrap()).unwrap();
    assert_eq!(alice.push(&mut server, &writes), answers);
    assert_eq!(Client::new("alice", 2).push(&mut server, &writes[..1]), answers[..1]);
    assert_eq!(server.rows("SELECT * FROM lists"), [""; 0]);
}

#[test]
fn a_writer_does_not_conflict_with_itself_over_what_is_forgotten() {
    let schema = "CREATE TABLE notes (id TEXT NOT NULL PRIMARY KEY, body TEXT);";
    let trigger = "CREATE TRIGGER capitals AFTER UPDATE OF body ON notes BEGIN UPDATE notes SET body = upper(new.body) WHERE id = new.id; END;";
    let config = [("notes".to_owned(), TableConfig { conflict: Policy::Fail, ..open() })].into();
    let mut server = Bench::with(&format!("{schema}{trigger}"), &config).unwrap();
    let rows = "INSERT INTO notes VALUES ('k', 'old'); INSERT INTO notes VALUES ('other', 'old')";
    Client::with(schema, "alice", 9).sync(&mut server, rows);
    let mut alice = Client::with(schema, "alice", 1).given(rows);
    let first = alice.write("UPDATE notes SET body = 'one' WHERE id = 'k'");
    let mut second = alice.write("UPDATE notes SET body = 'two' WHERE id = 'k'");
    second.after = vec![Sequence(1)];
    assert_eq!(code(&alice.push(&mut server, &[first])[0]), "applied");
    for _ in 0..2 {
        Client::with(schema, "alice", 8).sync(&mut server, "INSERT INTO notes VALUES ('later', 'L')");
        server.core.compact(server.core.head().unwrap()).unwrap();
    }
    assert_eq!(code(&alice.push(&mut server, &[second])[0]), "applied");
    assert_eq!(server.rows("SELECT body FROM notes WHERE id = 'k'"), ["TWO"]);
}

#[test]
fn what_a_webhook_still_has_to_read_is_not_forgotten() {
    let (mut server, mut alice, cursors) = aged();
    let group = server.core.group().unwrap();
    group.begin_deliveries(&["search".to_owned()]).unwrap();
    group.commit().unwrap();
    let read = cursors[3].position;
    alice.sync(&mut server, "UPDATE lists SET name = 'one' WHERE id = 'kept'");
    alice.sync(&mut server, "UPDATE lists SET name = 'two' WHERE id = 'kept'");
    assert_eq!(server.core.compact(server.core.head().unwrap()).unwrap(), read);
    assert_eq!(server.core.log(read).unwrap().entries.len(), 2);
    let group = server.core.group().unwrap();
    group.delivered("search", Position(read.0 + 1)).unwrap();
    group.commit().unwrap();
    assert_eq!(server.core.compact(server.core.head().unwrap()).unwrap(), Position(read.0 + 1));
}
