//! Who may write which row, and what is no row at all.

use super::{
    Bench, Client,
    bench::{SCHEMA, code, open, tables},
};
use seaworthy_protocol::{Changes, Op, RowChange, TableChanges, Value};

const HERS: &str = "INSERT INTO lists VALUES ('hers', 'A', 'alice', NULL); INSERT INTO todos VALUES ('t1', 'hers', 'Milk', 'alice', 0);";

fn with_hers() -> (Bench, Client, Client) {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    assert_eq!(code(&alice.sync(&mut server, HERS)), "applied");
    // Bob has guessed her rows: his database holds them as if he had received them.
    (server, alice, Client::new("bob", 2).given(HERS))
}

#[test]
fn writing_to_a_foreign_row_is_answered_as_if_it_did_not_exist() {
    let (mut server, _, mut bob) = with_hers();
    let foreign = bob.sync(&mut server, "UPDATE lists SET name = 'Bob was here' WHERE id = 'hers'");
    let mut other = Client::new("bob", 3).given("INSERT INTO lists VALUES ('none', 'A', 'bob', NULL)");
    let missing = other.sync(&mut server, "UPDATE lists SET name = 'Bob was here' WHERE id = 'none'");
    assert_eq!((code(&foreign), code(&missing)), ("merged", "merged"));
    assert_eq!(code(&bob.sync(&mut server, "DELETE FROM todos")), "applied");
    assert_eq!(server.rows("SELECT name FROM lists"), ["A"]);
    assert_eq!(server.rows("SELECT count(*) FROM todos"), ["1"]);
}

#[test]
fn a_foreign_row_cannot_be_taken_over() {
    let (mut server, _, mut bob) = with_hers();
    assert_eq!(code(&bob.sync(&mut server, "UPDATE lists SET owner_id = 'bob' WHERE id = 'hers'")), "merged");
    let mut fresh = Client::new("bob", 3);
    assert_eq!(code(&fresh.sync(&mut server, "INSERT INTO lists VALUES ('hers', 'Mine now', 'bob', NULL)")), "key_exists");
    assert_eq!(server.rows("SELECT name, owner_id FROM lists"), ["A|alice"]);
}

#[test]
fn a_row_cannot_be_given_to_another_user() {
    let (mut server, mut alice, mut bob) = with_hers();
    assert_eq!(code(&bob.sync(&mut server, "INSERT INTO lists VALUES ('gift', 'For you', 'alice', NULL)")), "forbidden");
    assert_eq!(code(&alice.sync(&mut server, "UPDATE lists SET owner_id = 'bob'")), "forbidden");
    assert_eq!(server.rows("SELECT id, owner_id FROM lists"), ["hers|alice"]);
}

#[test]
fn the_indirect_mark_of_a_client_permits_nothing() {
    let (mut server, _, mut bob) = with_hers();
    let mut transaction = bob.write("UPDATE lists SET name = 'Bob was here'; INSERT INTO lists VALUES ('gift', 'B', 'alice', NULL)");
    transaction.changes.tables.iter_mut().flat_map(|table| &mut table.rows).for_each(|row| row.indirect = true);
    assert_eq!(code(&bob.push(&mut server, &[transaction])[0]), "forbidden");
    assert_eq!(server.rows("SELECT name FROM lists"), ["A"]);
}

#[test]
fn a_subject_is_compared_whole_and_as_text() {
    let mut server = Bench::with("CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT)", &lists()).unwrap();
    server.sql("INSERT INTO lists VALUES ('l1', 'Alice'), ('l2', NULL), ('l3', x'616c696365'), ('l4', 'alice ')");
    assert!(server.pull("alice", None).rows.is_empty());
    let mut alice = Client::with("CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, owner_id TEXT)", "alice", 1);
    for id in ["l1", "l2", "l3", "l4"] {
        assert_eq!(code(&alice.sync(&mut server, &format!("INSERT INTO lists VALUES ('{id}', 'alice')"))), "key_exists", "{id}");
    }
}

#[test]
fn a_cascade_of_the_server_takes_the_rows_of_others_along() {
    let (mut server, mut alice, mut bob) = with_hers();
    assert_eq!(code(&bob.sync(&mut server, "INSERT INTO todos VALUES ('t2', 'hers', 'Bread', 'bob', 0)")), "applied");
    let before = server.pull("bob", None).checkpoint.cursor;
    assert_eq!(code(&alice.sync(&mut server, "DELETE FROM lists")), "applied");
    assert_eq!(server.rows("SELECT count(*) FROM todos"), ["0"]);
    let pulled = server.pull("bob", Some(before));
    assert_eq!(pulled.rows[0].gone, [[Value::from("t2")]]);
}

#[test]
fn an_open_table_is_everybodys() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let mut bob = Client::new("bob", 2).given("INSERT INTO tags VALUES ('a', 1, 'x')");
    assert_eq!(code(&alice.sync(&mut server, "INSERT INTO tags VALUES ('a', 1, 'x')")), "applied");
    assert_eq!(code(&bob.sync(&mut server, "UPDATE tags SET label = 'y'")), "applied");
    assert_eq!(server.pull("carol", None).rows[0].rows, [vec![Value::from("a"), Value::from(1), Value::from("y")]]);
}

#[test]
fn what_does_not_replicate_is_refused_by_schema() {
    let mut config = tables();
    config.remove("tags");
    config.insert("todos".to_owned(), super::bench::owned());
    let mut todos = super::bench::owned();
    todos.columns = Some(["id", "list_id", "title", "owner_id"].map(str::to_owned).to_vec());
    config.insert("todos".to_owned(), todos);
    let mut server = Bench::with(SCHEMA, &config).unwrap();
    let mut alice = Client::new("alice", 1);
    assert_eq!(code(&alice.sync(&mut server, "INSERT INTO tags VALUES ('a', 1, 'x')")), "schema");
    assert_eq!(code(&alice.sync(&mut server, HERS)), "schema");
    let mut narrow = Client::with(
        "CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT, owner_id TEXT);
         CREATE TABLE todos (id TEXT NOT NULL PRIMARY KEY, list_id TEXT, title TEXT, owner_id TEXT)",
        "alice",
        2,
    );
    let write = "INSERT INTO lists VALUES ('l', 'A', 'alice'); INSERT INTO todos VALUES ('t', 'l', 'Milk', 'alice')";
    assert_eq!(code(&narrow.sync(&mut server, write)), "applied");
    assert_eq!(server.rows("SELECT * FROM todos"), ["t|l|Milk|alice|0"]);
}

#[test]
fn another_key_than_the_servers_is_refused_by_schema() {
    let mut server = Bench::new();
    for (replica, key) in [(1, "name"), (2, "id, name")] {
        let schema = format!("CREATE TABLE lists (id TEXT NOT NULL, name TEXT NOT NULL, owner_id TEXT, PRIMARY KEY ({key}))");
        let mut client = Client::with(&schema, "alice", replica);
        assert_eq!(code(&client.sync(&mut server, "INSERT INTO lists VALUES ('l', 'A', 'alice')")), "schema", "{key}");
    }
    let mut reordered = Client::with("CREATE TABLE tags (label TEXT, b INTEGER NOT NULL, a TEXT NOT NULL, PRIMARY KEY (a, b))", "alice", 3);
    assert_eq!(code(&reordered.sync(&mut server, "INSERT INTO tags VALUES ('x', 1, 'a')")), "applied");
    assert_eq!(server.rows("SELECT a, b, label FROM tags"), ["a|1|x"]);
}

#[test]
fn a_row_named_twice_is_refused() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let insert = RowChange { op: Op::Insert, indirect: false, old: vec![], new: vec![Some("a".into()), Some(1.into()), None] };
    let columns = ["a", "b", "label"].map(str::to_owned).to_vec();
    let table = TableChanges { name: "tags".to_owned(), columns, key: vec![2, 1, 0], rows: vec![insert.clone(), insert] };
    let transaction = alice.transaction(Changes { tables: vec![table] });
    assert_eq!(code(&alice.push(&mut server, &[transaction])[0]), "bad_value");
}

#[test]
fn images_of_the_wrong_length_are_refused() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let shapes = [(Op::Insert, 0, 2), (Op::Insert, 3, 3), (Op::Update, 3, 0), (Op::Update, 1, 3), (Op::Delete, 3, 3), (Op::Delete, 0, 0)];
    for (op, old, new) in shapes {
        let image = |length| vec![Some(Value::from(1)); length];
        let columns = ["a", "b", "label"].map(str::to_owned).to_vec();
        let rows = vec![RowChange { op, indirect: false, old: image(old), new: image(new) }];
        let transaction = alice.transaction(Changes { tables: vec![TableChanges { name: "tags".to_owned(), columns, key: vec![2, 1, 0], rows }] });
        assert_eq!(code(&alice.push(&mut server, &[transaction])[0]), "bad_value", "{op:?} {old} {new}");
    }
}

#[test]
fn names_and_values_are_never_read_as_sql() {
    let schema = r#"CREATE TABLE "a""; DROP TABLE b; --" ("select" TEXT NOT NULL PRIMARY KEY, "x""y" TEXT); CREATE TABLE b (id TEXT NOT NULL PRIMARY KEY);"#;
    let name = "a\"; DROP TABLE b; --".to_owned();
    let mut server = Bench::with(schema, &[(name, open()), ("b".to_owned(), open())].into()).unwrap();
    let mut alice = Client::with(schema, "'; DROP TABLE b; --", 1);
    assert_eq!(code(&alice.sync(&mut server, r#"INSERT INTO "a""; DROP TABLE b; --" VALUES ('''; DROP TABLE b; --', '"')"#)), "applied");
    assert_eq!(code(&alice.sync(&mut server, r#"UPDATE "a""; DROP TABLE b; --" SET "x""y" = '2'"#)), "applied");
    assert_eq!(server.rows(r#"SELECT "x""y" FROM "a""; DROP TABLE b; --""#), ["2"]);
    assert_eq!(server.pull("'; DROP TABLE b; --", None).rows.len(), 1);
}

fn lists() -> crate::storage::Tables {
    [("lists".to_owned(), super::bench::owned())].into()
}
