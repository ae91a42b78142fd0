//! What write handlers said, where storage decides by it: bound to the rows that they were shown.

use super::{
    Bench, Client,
    bench::{SCHEMA, code, tables},
};
use crate::storage::{Refusal, Ruling, Shown, StorageError, WriteConfig};
use seaworthy_protocol::{Outcome, Policy, Position, Push, Sequence, Transaction, Value};
use std::collections::BTreeMap;

const LIST: &str = "INSERT INTO lists VALUES ('l1', 'Home', 'alice', NULL)";
const TODO: &str = "INSERT INTO todos VALUES ('t1', 'l1', ' Milk ', 'alice', 0)";

fn show(server: &Bench, client: &Client, transaction: &Transaction) -> Option<Shown> {
    server.core.show(&client.principal, client.replica, transaction).unwrap()
}

fn settle(server: &mut Bench, client: &Client, transaction: &Transaction, ruling: Option<Ruling>) -> Result<Outcome, StorageError> {
    let push = Push { replica: client.replica, transactions: vec![transaction.clone()] };
    server.core.settle(&client.principal, &push, ruling.as_ref(), 0).map(|mut results| results.remove(0).outcome)
}

fn accept(shown: Shown) -> Ruling {
    Ruling { shown, ..Ruling::default() }
}

fn refuse(shown: Shown) -> Ruling {
    Ruling { refusal: Some(Refusal { code: "sold_out".to_owned(), message: "There is none left.".to_owned() }), ..accept(shown) }
}

/// Sets one cell of the first change.
fn set(shown: Shown, column: &str, value: impl Into<Value>) -> Ruling {
    Ruling { cells: BTreeMap::from([(0, vec![(column.to_owned(), value.into())])]), ..accept(shown) }
}

/// Shows a transaction and sets one cell of its first change.
fn rewrite(server: &mut Bench, client: &Client, transaction: &Transaction, column: &str, value: impl Into<Value>) -> Outcome {
    let shown = show(server, client, transaction).unwrap();
    settle(server, client, transaction, Some(set(shown, column, value))).unwrap()
}

fn with_list() -> (Bench, Client) {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    alice.sync(&mut server, LIST);
    (server, alice)
}

#[test]
fn an_answer_is_good_only_for_the_rows_that_were_shown() {
    let (mut server, mut alice) = with_list();
    let mut laptop = Client::new("alice", 2).given(LIST);
    let rename = alice.write("UPDATE lists SET name = 'House'");
    let shown = show(&server, &alice, &rename).unwrap();
    assert_eq!(shown.rows, [Some(vec!["l1".into(), "Home".into(), "alice".into(), Value::Null])]);
    laptop.sync(&mut server, "UPDATE lists SET slug = 'home'");
    let head = server.core.head().unwrap();
    assert!(matches!(settle(&mut server, &alice, &rename, Some(accept(shown.clone()))), Err(StorageError::Moved)));
    assert!(matches!(settle(&mut server, &alice, &rename, Some(refuse(shown))), Err(StorageError::Moved)));
    assert_eq!(server.core.head().unwrap(), head, "something was recorded");
    let shown = show(&server, &alice, &rename).unwrap();
    assert_eq!(code(&settle(&mut server, &alice, &rename, Some(accept(shown))).unwrap()), "applied");
    assert_eq!(server.rows("SELECT name, slug FROM lists"), ["House|home"]);
}

#[test]
fn a_row_that_came_or_went_meanwhile_is_another() {
    let (mut server, mut alice) = with_list();
    let mut laptop = Client::new("alice", 2).given(LIST);
    let insert = alice.write("INSERT INTO lists VALUES ('l2', 'Work', 'alice', NULL)");
    let shown = show(&server, &alice, &insert).unwrap();
    assert_eq!(shown.rows, [None]);
    laptop.sync(&mut server, "INSERT INTO lists VALUES ('l2', 'Garden', 'alice', NULL)");
    assert!(matches!(settle(&mut server, &alice, &insert, Some(accept(shown))), Err(StorageError::Moved)));
    laptop.sync(&mut server, "DELETE FROM lists WHERE id = 'l2'");
    let shown = show(&server, &alice, &insert).unwrap();
    assert_eq!(code(&settle(&mut server, &alice, &insert, Some(accept(shown))).unwrap()), "applied");
}

#[test]
fn nobody_is_shown_rows_that_the_writer_may_not_read() {
    let (server, _) = with_list();
    let mut bob = Client::new("bob", 9).given(LIST);
    let rename = bob.write("UPDATE lists SET name = 'Mine'");
    assert_eq!(show(&server, &bob, &rename).unwrap().rows, [None]);
}

#[test]
fn what_needs_no_answer_is_not_shown_and_is_decided_without_one() {
    let (mut server, mut alice) = with_list();
    let insert = alice.write(TODO);
    let shown = show(&server, &alice, &insert).unwrap();
    assert_eq!(code(&settle(&mut server, &alice, &insert, Some(refuse(shown))).unwrap()), "sold_out");
    // Decided before.
    assert_eq!(show(&server, &alice, &insert), None);
    assert_eq!(code(&settle(&mut server, &alice, &insert, None).unwrap()), "sold_out");
    // Not next.
    let mut ahead = insert.clone();
    ahead.sequence = Sequence(9);
    assert_eq!(show(&server, &alice, &ahead), None);
    assert_eq!(settle(&mut server, &alice, &ahead, None).unwrap(), Outcome::Gap { expected: Sequence(3) });
    // Builds on what was rejected.
    let mut done = alice.write("UPDATE todos SET done = 1");
    done.after = vec![insert.sequence];
    assert_eq!(show(&server, &alice, &done), None);
    assert_eq!(code(&settle(&mut server, &alice, &done, None).unwrap()), "depends_on");
    // Names what does not replicate.
    let mut unknown = alice.write("UPDATE lists SET name = 'x'");
    unknown.changes.tables[0].name = "secrets".to_owned();
    assert_eq!(show(&server, &alice, &unknown), None);
    assert_eq!(code(&settle(&mut server, &alice, &unknown, None).unwrap()), "schema");
}

#[test]
fn without_an_answer_nothing_is_applied_that_needs_one() {
    let (mut server, mut alice) = with_list();
    let insert = alice.write(TODO);
    assert!(matches!(settle(&mut server, &alice, &insert, None), Err(StorageError::Moved)));
    assert!(server.rows("SELECT id FROM todos").is_empty());
    assert_eq!(server.rows("SELECT last_sequence FROM seaworthy_replicas"), ["1"]);
}

#[test]
fn a_conflict_that_rejects_anyway_is_not_shown() {
    let mut tables = tables();
    tables.get_mut("lists").unwrap().conflict = Policy::Fail;
    let mut server = Bench::with(SCHEMA, &tables).unwrap();
    let mut alice = Client::new("alice", 1);
    alice.sync(&mut server, LIST);
    let mut laptop = Client::new("alice", 2).given(LIST);
    laptop.sync(&mut server, "UPDATE lists SET name = 'Flat'");
    let rename = alice.write("UPDATE lists SET name = 'House'");
    assert_eq!(show(&server, &alice, &rename), None);
    assert_eq!(code(&settle(&mut server, &alice, &rename, None).unwrap()), "conflict");
}

#[test]
fn a_write_that_a_rule_denies_beforehand_is_not_shown_and_one_that_it_denies_afterwards_is_rejected() {
    let mut tables = tables();
    tables.get_mut("lists").unwrap().write = Some(WriteConfig::All("name <> 'locked'".to_owned()));
    let mut server = Bench::with(SCHEMA, &tables).unwrap();
    server.sql("INSERT INTO lists VALUES ('l1', 'locked', 'alice', NULL)");
    let mut alice = Client::new("alice", 1).given("INSERT INTO lists VALUES ('l1', 'locked', 'alice', NULL)");
    let rename = alice.write("UPDATE lists SET name = 'House'");
    assert_eq!(show(&server, &alice, &rename), None);
    assert_eq!(code(&settle(&mut server, &alice, &rename, None).unwrap()), "forbidden");
    let insert = alice.write("INSERT INTO lists VALUES ('l2', 'Work', 'alice', NULL)");
    assert_eq!(code(&rewrite(&mut server, &alice, &insert, "name", "locked")), "forbidden");
}

#[test]
fn a_rewritten_write_is_applied_logged_and_answered_with_what_differs() {
    let (mut server, mut alice) = with_list();
    let insert = alice.write(TODO);
    let outcome = rewrite(&mut server, &alice, &insert, "title", "Milk");
    let Outcome::Merged { position, dropped, rewritten } = &outcome else { panic!("{outcome:?}") };
    assert_eq!((*position, dropped.len(), rewritten.len()), (Position(2), 0, 1));
    assert_eq!((rewritten[0].table.as_str(), &rewritten[0].key), ("todos", &vec!["t1".into()]));
    assert_eq!(rewritten[0].new, BTreeMap::from([("title".to_owned(), "Milk".into())]));
    assert_eq!(server.rows("SELECT title FROM todos"), ["Milk"]);
    let logged = server.core.log(Position(1)).unwrap().entries.remove(0);
    assert!(logged.changes.tables[0].rows[0].new.contains(&Some("Milk".into())));
    // What the client sent is what it is known by.
    assert_eq!(settle(&mut server, &alice, &insert, None).unwrap(), outcome);
    let mut other = insert.clone();
    other.changes.tables[0].rows[0].new[2] = Some("Milk".into());
    assert_eq!(settle(&mut server, &alice, &other, None).unwrap(), Outcome::IdentityReused);
    assert_eq!(server.core.head().unwrap(), Position(2));
}

#[test]
fn rules_and_constraints_apply_to_what_a_handler_made_of_a_write() {
    for (column, value, expected) in [("owner_id", "bob", "forbidden"), ("title", "", "constraint"), ("list_id", "l9", "foreign_key")] {
        let (mut server, mut alice) = with_list();
        let insert = alice.write(TODO);
        assert_eq!(code(&rewrite(&mut server, &alice, &insert, column, value)), expected);
        assert!(server.rows("SELECT id FROM todos").is_empty());
    }
}

/// A replica writes twice, offline, under the policy `fail`; a handler makes something else of the first write.
fn twice(made_of_it: &str) -> (Bench, Outcome) {
    let mut tables = tables();
    tables.get_mut("lists").unwrap().conflict = Policy::Fail;
    let mut server = Bench::with(SCHEMA, &tables).unwrap();
    let mut alice = Client::new("alice", 1);
    alice.sync(&mut server, LIST);
    let first = alice.write("UPDATE lists SET name = ' Home '");
    let mut second = alice.write("UPDATE lists SET name = 'House'");
    second.after = vec![first.sequence];
    assert_eq!(code(&rewrite(&mut server, &alice, &first, "name", made_of_it)), "merged");
    let outcome = alice.push(&mut server, &[second]).remove(0);
    (server, outcome)
}

#[test]
fn nobody_conflicts_with_themselves_after_a_handler_rewrote_their_value() {
    // Also where the handler put back what was there, so that the log has nothing of it.
    for made_of_it in ["Houses", "Home"] {
        let (server, outcome) = twice(made_of_it);
        assert_eq!(code(&outcome), "applied", "{made_of_it}");
        assert_eq!(server.rows("SELECT name FROM lists"), ["House"]);
    }
}

#[test]
fn a_write_that_changes_nothing_in_the_end_is_sent_back_to_its_writer() {
    let (mut server, mut alice) = with_list();
    let cursor = server.pull("alice", None).checkpoint.cursor;
    let rename = alice.write("UPDATE lists SET name = ' Home '");
    assert_eq!(code(&rewrite(&mut server, &alice, &rename, "name", "Home")), "merged");
    let pulled = server.pull("alice", Some(cursor));
    assert_eq!(pulled.rows[0].rows, [["l1".into(), "Home".into(), "alice".into(), Value::Null]]);
}

#[test]
fn what_a_trigger_of_the_server_undoes_is_sent_back_to_its_writer() {
    let trim = "CREATE TRIGGER trim AFTER UPDATE OF name ON lists BEGIN UPDATE lists SET name = trim(NEW.name) WHERE id = NEW.id; END;";
    let mut server = Bench::with(&format!("{SCHEMA} {trim}"), &tables()).unwrap();
    let mut alice = Client::new("alice", 1);
    alice.sync(&mut server, LIST);
    let cursor = server.pull("alice", None).checkpoint.cursor;
    assert_eq!(code(&alice.sync(&mut server, "UPDATE lists SET name = ' Home '")), "applied");
    assert_eq!(server.pull("alice", Some(cursor)).rows[0].rows[0][1], "Home".into());
}
