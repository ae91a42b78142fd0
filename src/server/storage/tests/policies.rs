//! The policies of tables and of transactions, in every order of the writers that meet.

use super::{
    Bench, Client,
    bench::{SCHEMA, code, open, tables},
};
use crate::storage::{TableConfig, Tables};
use seaworthy_protocol::{ConflictKind, Outcome, Policy, RejectData, Sequence, Transaction, Value};

const POLICIES: [Policy; 4] = [Policy::Rebase, Policy::Server, Policy::Manual, Policy::Fail];
const ROW: &str = "INSERT INTO tags VALUES ('a', 1, 'old')";

/// The outcome of a transaction that meets another's under a policy.
fn refusal(policy: Policy) -> &'static str {
    match policy {
        Policy::Rebase => "applied",
        Policy::Server => "discarded",
        Policy::Manual | Policy::Fail => "conflict",
    }
}

fn with_policies(policies: &[(&str, Policy)]) -> Tables {
    let mut tables = tables();
    for (table, policy) in policies {
        tables.get_mut(*table).unwrap().conflict = *policy;
    }
    tables
}

/// A server whose tags have a policy, and as many replicas, all with the same row.
fn replicas<const N: usize>(policy: Policy, given: &str) -> (Bench, [Client; N]) {
    let mut server = Bench::with(SCHEMA, &with_policies(&[("tags", policy)])).unwrap();
    if !given.is_empty() {
        assert_eq!(code(&Client::new("alice", 99).sync(&mut server, given)), "applied");
    }
    (server, std::array::from_fn(|n| Client::new("alice", n as u8 + 1).given(given)))
}

fn data(outcome: &Outcome) -> &RejectData {
    match outcome {
        Outcome::Rejected { data: Some(data), .. } => data,
        other => panic!("{other:?}"),
    }
}

fn asking(mut transaction: Transaction, policy: Policy) -> Transaction {
    transaction.policy = Some(policy);
    transaction
}

/// Two writers in both orders: what the second gets, and what the label is then.
fn two_writers(policy: Policy, given: &str, writes: [&str; 2]) -> [(String, Vec<String>); 2] {
    [[0, 1], [1, 0]].map(|order| {
        let (mut server, mut writers) = replicas::<2>(policy, given);
        let [first, second] = order.map(|at| writers[at].write(writes[at]));
        assert_eq!(code(&writers[order[0]].push(&mut server, &[first])[0]), "applied");
        let outcome = writers[order[1]].push(&mut server, &[second]).remove(0);
        (code(&outcome).to_owned(), server.rows("SELECT label FROM tags"))
    })
}

#[test]
fn two_updates_of_a_cell_in_both_orders() {
    for policy in POLICIES {
        let found = two_writers(policy, ROW, ["UPDATE tags SET label = 'one'", "UPDATE tags SET label = 'two'"]);
        let labels = if policy == Policy::Rebase { ["two", "one"] } else { ["one", "two"] };
        assert_eq!(found, labels.map(|label| (refusal(policy).to_owned(), vec![label.to_owned()])), "{policy:?}");
    }
}

#[test]
fn an_update_and_a_delete_in_both_orders() {
    for policy in POLICIES {
        let [updated_first, deleted_first] = two_writers(policy, ROW, ["UPDATE tags SET label = 'one'", "DELETE FROM tags"]);
        let after_update = if policy == Policy::Rebase { vec![] } else { vec!["one".to_owned()] };
        assert_eq!(updated_first, (refusal(policy).to_owned(), after_update), "{policy:?}");
        let dropped = if policy == Policy::Rebase { "merged" } else { refusal(policy) };
        assert_eq!(deleted_first, (dropped.to_owned(), vec![]), "{policy:?}");
    }
}

#[test]
fn two_inserts_of_a_key_in_both_orders() {
    for policy in POLICIES {
        let found = two_writers(policy, "", ["INSERT INTO tags VALUES ('a', 1, 'one')", "INSERT INTO tags VALUES ('a', 1, 'two')"]);
        let labels = if policy == Policy::Rebase { ["two", "one"] } else { ["one", "two"] };
        assert_eq!(found, labels.map(|label| (refusal(policy).to_owned(), vec![label.to_owned()])), "{policy:?}");
    }
}

#[test]
fn different_columns_never_conflict() {
    let lists = "INSERT INTO lists VALUES ('l', 'old', 'alice', NULL)";
    for policy in POLICIES {
        let mut server = Bench::with(SCHEMA, &with_policies(&[("lists", policy)])).unwrap();
        Client::new("alice", 9).sync(&mut server, lists);
        let (mut one, mut two) = (Client::new("alice", 1).given(lists), Client::new("alice", 2).given(lists));
        assert_eq!(code(&one.sync(&mut server, "UPDATE lists SET name = 'new'")), "applied");
        assert_eq!(code(&two.sync(&mut server, "UPDATE lists SET slug = 's'")), "applied");
        assert_eq!(server.rows("SELECT name, slug FROM lists"), ["new|s"]);
    }
}

#[test]
fn two_delete_a_row_and_a_third_inserts_it() {
    for policy in POLICIES {
        for order in [[0, 1], [1, 0]] {
            let (mut server, mut writers) = replicas::<3>(policy, ROW);
            assert_eq!(code(&writers[order[0]].sync(&mut server, "DELETE FROM tags")), "applied");
            let second = writers[order[1]].sync(&mut server, "DELETE FROM tags");
            assert_eq!(code(&second), refusal(policy), "{policy:?}");
            let third = writers[2].sync(&mut server, "UPDATE tags SET label = 'late'");
            assert_eq!(code(&third), if policy == Policy::Rebase { "merged" } else { refusal(policy) }, "{policy:?}");
            let mut fresh = Client::new("alice", 4);
            assert_eq!(code(&fresh.sync(&mut server, "INSERT INTO tags VALUES ('a', 1, 'third')")), "applied", "{policy:?}");
            assert_eq!(server.rows("SELECT label FROM tags"), ["third"]);
        }
    }
}

#[test]
fn an_insert_between_two_deletes_is_seen_by_the_second() {
    for policy in POLICIES {
        let (mut server, mut writers) = replicas::<2>(policy, ROW);
        writers[0].sync(&mut server, "DELETE FROM tags");
        writers[0].sync(&mut server, "INSERT INTO tags VALUES ('a', 1, 'new')");
        assert_eq!(code(&writers[1].sync(&mut server, "DELETE FROM tags")), refusal(policy), "{policy:?}");
    }
}

#[test]
fn a_conflict_shows_the_row_as_it_was_as_it_was_wanted_and_as_it_is() {
    let (mut server, mut writers) = replicas::<2>(Policy::Fail, ROW);
    writers[0].sync(&mut server, "UPDATE tags SET label = 'theirs'");
    let outcome = writers[1].sync(&mut server, "UPDATE tags SET label = 'mine'");
    let shown = data(&outcome);
    assert_eq!((shown.policy, shown.left_out, shown.conflicts.len()), (Policy::Fail, 0, 1));
    let row = &shown.conflicts[0];
    let label = |value: &str| Some([("label".to_owned(), Value::from(value))].into());
    assert_eq!((row.table.as_str(), row.kind), ("tags", ConflictKind::Data));
    assert_eq!(row.key, [("a".to_owned(), Value::from("a")), ("b".to_owned(), Value::from(1))].into());
    assert_eq!((&row.base, &row.local, &row.remote), (&label("old"), &label("mine"), &label("theirs")));
}

#[test]
fn the_same_answer_comes_again_with_its_rows() {
    let (mut server, mut writers) = replicas::<2>(Policy::Manual, ROW);
    writers[0].sync(&mut server, "DELETE FROM tags");
    let write = writers[1].write("UPDATE tags SET label = 'mine'");
    let first = writers[1].push(&mut server, std::slice::from_ref(&write));
    assert_eq!((data(&first[0]).conflicts[0].kind, &data(&first[0]).conflicts[0].remote), (ConflictKind::NotFound, &None));
    assert_eq!(writers[1].push(&mut server, &[write]), first);
}

#[test]
fn the_strictest_policy_among_the_conflicting_rows_decides_the_whole_transaction() {
    let rows =
        "INSERT INTO lists VALUES ('l', 'old', 'alice', NULL); INSERT INTO todos VALUES ('t', 'l', 'old', 'alice', 0); INSERT INTO tags VALUES ('a', 1, 'old')";
    let config = with_policies(&[("lists", Policy::Server), ("todos", Policy::Manual), ("tags", Policy::Rebase)]);
    let all = "UPDATE lists SET name = 'mine'; UPDATE todos SET title = 'mine'; UPDATE tags SET label = 'mine'";
    for (theirs, expected) in [
        ("UPDATE tags SET label = 'theirs'", None),
        ("UPDATE lists SET name = 'theirs'; UPDATE tags SET label = 'theirs'", Some(("discarded", Policy::Server, 2))),
        ("UPDATE lists SET name = 'theirs'; UPDATE todos SET title = 'theirs'", Some(("conflict", Policy::Manual, 2))),
    ] {
        let mut server = Bench::with(SCHEMA, &config).unwrap();
        Client::new("alice", 9).sync(&mut server, rows);
        Client::new("alice", 1).given(rows).sync(&mut server, theirs);
        let outcome = Client::new("alice", 2).given(rows).sync(&mut server, all);
        match expected {
            None => assert_eq!(code(&outcome), "applied"),
            Some((refused, policy, count)) => {
                assert_eq!((code(&outcome), data(&outcome).policy, data(&outcome).conflicts.len()), (refused, policy, count));
                assert_eq!(server.rows("SELECT 1 FROM lists, todos, tags WHERE 'mine' IN (name, title, label)"), [""; 0]);
            }
        }
    }
}

#[test]
fn a_transaction_may_ask_for_a_stricter_policy_and_not_for_a_laxer_one() {
    for table in POLICIES {
        for asked in POLICIES {
            let (mut server, mut writers) = replicas::<2>(table, ROW);
            writers[0].sync(&mut server, "UPDATE tags SET label = 'theirs'");
            let write = asking(writers[1].write("UPDATE tags SET label = 'mine'"), asked);
            assert_eq!(code(&writers[1].push(&mut server, &[write])[0]), refusal(table.max(asked)), "{table:?} {asked:?}");
        }
    }
}

#[test]
fn pending_edits_of_one_replica_never_conflict_with_each_other() {
    for policy in POLICIES {
        let (mut server, mut writers) = replicas::<1>(policy, ROW);
        let sql = [
            "UPDATE tags SET label = 'one'",
            "UPDATE tags SET label = 'two'",
            "DELETE FROM tags",
            "INSERT INTO tags VALUES ('a', 1, 'three')",
            "UPDATE tags SET label = 'four'",
        ];
        let writes: Vec<_> = sql.iter().map(|sql| writers[0].write(sql)).collect();
        for outcome in writers[0].push(&mut server, &writes) {
            assert_eq!(code(&outcome), "applied", "{policy:?}");
        }
        assert_eq!(server.rows("SELECT label FROM tags"), ["four"]);
    }
}

/// A server that writes texts in capitals, and a replica that does not know it.
fn capitals() -> (Bench, Client, Client) {
    let schema = "CREATE TABLE notes (id TEXT NOT NULL PRIMARY KEY, body TEXT, n INTEGER);";
    let trigger = "CREATE TRIGGER capitals AFTER UPDATE OF body ON notes BEGIN UPDATE notes SET body = upper(new.body) WHERE id = new.id; END;";
    let config = [("notes".to_owned(), TableConfig { conflict: Policy::Fail, ..open() })].into();
    let mut server = Bench::with(&format!("{schema}{trigger}"), &config).unwrap();
    let row = "INSERT INTO notes VALUES ('k', 'old', 0)";
    Client::with(schema, "alice", 9).sync(&mut server, row);
    (server, Client::with(schema, "alice", 1).given(row), Client::with(schema, "alice", 2).given("INSERT INTO notes VALUES ('k', 'ONE', 0)"))
}

#[test]
fn a_value_that_the_server_changed_on_its_way_in_is_still_the_writers_own() {
    let (mut server, mut alice, _) = capitals();
    let first = alice.write("UPDATE notes SET body = 'one'");
    let mut second = alice.write("UPDATE notes SET body = 'two'");
    second.after = vec![Sequence(1)];
    assert_eq!(alice.push(&mut server, &[first, second]).iter().map(code).collect::<Vec<_>>(), ["applied", "applied"]);
    assert_eq!(server.rows("SELECT body FROM notes"), ["TWO"]);
}

#[test]
fn another_write_between_two_pending_edits_is_a_conflict_all_the_same() {
    let (mut server, mut alice, mut other) = capitals();
    let first = alice.write("UPDATE notes SET body = 'one'");
    let mut second = alice.write("UPDATE notes SET body = 'two'");
    second.after = vec![Sequence(1)];
    alice.push(&mut server, &[first]);
    assert_eq!(code(&other.sync(&mut server, "UPDATE notes SET body = 'between'")), "applied");
    assert_eq!(code(&alice.push(&mut server, &[second])[0]), "conflict");
    assert_eq!(server.rows("SELECT body FROM notes"), ["BETWEEN"]);
}

#[test]
fn a_row_that_the_writer_may_not_read_looks_like_none() {
    let hers = "INSERT INTO lists VALUES ('hers', 'secret', 'alice', 'secret')";
    let guessed = "INSERT INTO lists VALUES ('hers', 'guess', 'bob', NULL)";
    for policy in [Policy::Server, Policy::Manual, Policy::Fail] {
        for sql in ["UPDATE lists SET name = 'x'", "DELETE FROM lists"] {
            let answers = [true, false].map(|exists| {
                let mut server = Bench::with(SCHEMA, &with_policies(&[("lists", policy)])).unwrap();
                if exists {
                    Client::new("alice", 1).sync(&mut server, hers);
                }
                let answer = Client::new("bob", 2).given(guessed).sync(&mut server, sql);
                (code(&answer).to_owned(), data(&answer).clone())
            });
            assert_eq!(answers[0], answers[1], "{policy:?}");
            assert_eq!((answers[0].0.as_str(), &answers[0].1.conflicts[0].remote), (refusal(policy), &None));
        }
        let mut server = Bench::with(SCHEMA, &with_policies(&[("lists", policy)])).unwrap();
        Client::new("alice", 1).sync(&mut server, hers);
        let taken = Client::new("bob", 2).sync(&mut server, guessed);
        assert!(matches!(&taken, Outcome::Rejected { code, data: None, .. } if code == "key_exists"), "{taken:?}");
    }
}

#[test]
fn columns_that_do_not_replicate_are_neither_compared_nor_shown() {
    let mut config = with_policies(&[("lists", Policy::Fail)]);
    config.get_mut("lists").unwrap().columns = Some(["id", "name", "owner_id"].map(str::to_owned).to_vec());
    let mut server = Bench::with(SCHEMA, &config).unwrap();
    server.sql("INSERT INTO lists VALUES ('l', 'theirs', 'alice', 'hidden')");
    let schema = "CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT, owner_id TEXT)";
    let mut client = Client::with(schema, "alice", 1).given("INSERT INTO lists VALUES ('l', 'old', 'alice')");
    let outcome = client.sync(&mut server, "UPDATE lists SET name = 'mine'");
    let remote = data(&outcome).conflicts[0].remote.clone().unwrap();
    assert_eq!(remote.into_keys().collect::<Vec<_>>(), ["name", "owner_id"]);
}

#[test]
fn a_change_that_names_no_former_values_is_blind_and_conflicts_only_over_the_row() {
    let (mut server, mut writers) = replicas::<1>(Policy::Fail, ROW);
    server.sql("UPDATE tags SET label = 'theirs'");
    let mut write = writers[0].write("UPDATE tags SET label = 'mine'");
    let row = &mut write.changes.tables[0].rows[0];
    *row.old.last_mut().unwrap() = None;
    assert_eq!(code(&writers[0].push(&mut server, &[write])[0]), "applied");
}

#[test]
fn a_cascade_over_what_is_gone_already_does_not_conflict() {
    let rows = "INSERT INTO lists VALUES ('l', 'L', 'alice', NULL); INSERT INTO todos VALUES ('t', 'l', 'T', 'alice', 0)";
    let mut server = Bench::with(SCHEMA, &with_policies(&[("lists", Policy::Fail), ("todos", Policy::Fail)])).unwrap();
    Client::new("alice", 9).sync(&mut server, rows);
    Client::new("alice", 1).given(rows).sync(&mut server, "DELETE FROM todos");
    assert_eq!(code(&Client::new("alice", 2).given(rows).sync(&mut server, "DELETE FROM lists")), "applied");
}

#[test]
fn constraints_and_foreign_keys_reject_under_every_policy() {
    for policy in POLICIES {
        let mut server = Bench::with(SCHEMA, &with_policies(&[("lists", policy), ("todos", policy)])).unwrap();
        Client::new("alice", 9).sync(&mut server, "INSERT INTO lists VALUES ('l', 'L', 'alice', 'slug')");
        assert_eq!(code(&Client::new("alice", 1).sync(&mut server, "INSERT INTO lists VALUES ('m', 'M', 'alice', 'slug')")), "constraint");
        let mut orphan = Client::new("alice", 2).given("INSERT INTO lists VALUES ('gone', 'G', 'alice', NULL)");
        assert_eq!(code(&orphan.sync(&mut server, "INSERT INTO todos VALUES ('t', 'gone', 'T', 'alice', 0)")), "foreign_key");
    }
}

#[test]
fn more_rows_than_an_answer_holds_are_counted() {
    let (mut server, mut writers) = replicas::<1>(Policy::Fail, ROW);
    let big = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 40) INSERT INTO tags SELECT 'k', i, hex(zeroblob(8000)) FROM n";
    server.sql(big);
    let outcome = writers[0].sync(&mut server, big);
    let shown = data(&outcome);
    assert_eq!(code(&outcome), "conflict");
    assert!(!shown.conflicts.is_empty() && shown.conflicts.len() < 40);
    assert_eq!(shown.conflicts.len() + shown.left_out as usize, 40);
}

#[test]
fn results_that_would_not_fit_into_an_answer_come_with_the_next_push() {
    let (mut server, mut writers) = replicas::<1>(Policy::Server, "");
    server.sql("WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 30) INSERT INTO tags SELECT 'k', i, hex(zeroblob(100000)) FROM n");
    let writes: Vec<_> = (1..=30).map(|n| writers[0].write(&format!("INSERT INTO tags VALUES ('k', {n}, 'mine')"))).collect();
    let first = writers[0].push(&mut server, &writes);
    assert!((20..30).contains(&first.len()), "{}", first.len());
    let rest = writers[0].push(&mut server, &writes[first.len()..]);
    assert_eq!(first.len() + rest.len(), 30);
    assert!(first.iter().chain(&rest).all(|outcome| code(outcome) == "discarded" && data(outcome).conflicts.len() == 1));
}
