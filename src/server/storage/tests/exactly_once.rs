//! Each transaction is decided once, in order, whatever the network does.

use super::{Bench, Client, bench::code, principal, user};
use crate::storage::StorageError;
use seaworthy_engine::session::Standing;
use seaworthy_protocol::{Outcome, Push, ReplicaId, Sequence, TransactionId};

const INSERT: &str = "INSERT INTO lists VALUES ('l1', 'Home', 'alice', NULL)";

#[test]
fn a_push_that_comes_twice_gets_the_same_answer_and_has_one_effect() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let first = [alice.write(INSERT), alice.write("UPDATE lists SET name = 'A'")];
    let answer = alice.push(&mut server, &first);
    let last = alice.write("UPDATE lists SET name = 'B'");
    alice.push(&mut server, &[last]);
    assert_eq!(alice.push(&mut server, &first), answer);
    assert_eq!(server.rows("SELECT name FROM lists"), ["B"]);
    assert_eq!(server.rows("SELECT count(*) FROM seaworthy_log WHERE replica IS NOT NULL"), ["3"]);
}

#[test]
fn what_comes_out_of_order_is_a_gap_and_nothing_behind_it_is_looked_at() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let (first, second, third) = (alice.write(INSERT), alice.write("UPDATE lists SET name = 'A'"), alice.write("UPDATE lists SET name = 'B'"));
    assert_eq!(alice.push(&mut server, &[second.clone(), third.clone()]), [Outcome::Gap { expected: Sequence(1) }]);
    assert_eq!(server.rows("SELECT * FROM lists"), [""; 0]);
    assert_eq!(alice.push(&mut server, &[first, second, third]).len(), 3);
    assert_eq!(server.rows("SELECT name FROM lists"), ["B"]);
}

#[test]
fn a_sequence_of_zero_is_a_gap() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let mut transaction = alice.write(INSERT);
    transaction.sequence = Sequence(0);
    assert_eq!(alice.push(&mut server, &[transaction]), [Outcome::Gap { expected: Sequence(1) }]);
}

#[test]
fn a_copied_database_is_told_so_and_nothing_more_of_its_batch_is_decided() {
    let mut server = Bench::new();
    let mut original = Client::new("alice", 1);
    let mut copy = Client::new("alice", 1);
    let shared = original.write(INSERT);
    copy.write(INSERT);
    let mine = original.write("UPDATE lists SET name = 'mine'");
    original.push(&mut server, &[shared.clone(), mine]);
    let theirs = copy.write("UPDATE lists SET name = 'theirs'");
    let more = copy.write("UPDATE lists SET name = 'more'");
    let outcomes = copy.push(&mut server, &[shared, theirs, more]);
    assert_eq!(outcomes.len(), 2);
    assert_eq!(outcomes[1], Outcome::IdentityReused);
    assert_eq!(server.rows("SELECT name FROM lists"), ["mine"]);
}

#[test]
fn the_same_sequence_and_changes_with_another_id_are_another_transaction() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let mut transaction = alice.write(INSERT);
    alice.push(&mut server, std::slice::from_ref(&transaction));
    transaction.id = TransactionId([9; 16]);
    assert_eq!(alice.push(&mut server, &[transaction]), [Outcome::IdentityReused]);
}

#[test]
fn a_transaction_pushed_again_under_a_new_replica_has_one_effect() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let insert = alice.write(INSERT);
    let delete = alice.write("DELETE FROM lists");
    let answers = alice.push(&mut server, &[insert.clone(), delete]);
    let mut renamed = Client::new("alice", 2);
    assert_eq!(renamed.push(&mut server, std::slice::from_ref(&insert)), answers[..1]);
    assert_eq!(server.rows("SELECT * FROM lists"), [""; 0]);
    let mut other = renamed.write("INSERT INTO lists VALUES ('l2', 'Other', 'alice', NULL)");
    (other.id, other.sequence) = (insert.id, Sequence(2));
    assert_eq!(code(&renamed.push(&mut server, &[other])[0]), "bad_value");
}

#[test]
fn one_user_cannot_block_the_transaction_ids_of_another() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let mut bob = Client::new("bob", 2);
    let hers = alice.write(INSERT);
    let mut his = bob.write("INSERT INTO lists VALUES ('l2', 'His', 'bob', NULL)");
    his.id = hers.id;
    alice.push(&mut server, &[hers]);
    assert_eq!(code(&bob.push(&mut server, &[his])[0]), "applied");
}

#[test]
fn a_server_knows_of_each_users_transactions_those_that_are_in_its_log_and_of_nobody_elses() {
    let mut server = Bench::new();
    let (mut alice, mut renamed, mut bob) = (Client::new("alice", 1), Client::new("alice", 2), Client::new("bob", 3));
    let first = alice.write(INSERT);
    let copied = renamed.write("INSERT INTO lists VALUES ('l2', 'Other', 'alice', NULL)");
    let refused = alice.write("INSERT INTO lists VALUES ('l3', 'Not hers', 'bob', NULL)");
    let his = bob.write("INSERT INTO lists VALUES ('l4', 'His', 'bob', NULL)");
    let ids = [&first, &copied, &refused, &his].map(|transaction| transaction.id);
    alice.push(&mut server, &[first, refused]);
    renamed.push(&mut server, &[copied]);
    bob.push(&mut server, &[his]);
    let known = |user, asked: &[TransactionId]| server.core.pull(&principal(user), &Standing::default(), asked).unwrap().pulled.checkpoint.known;
    assert_eq!(known("alice", &ids), Some(ids[..2].to_vec()));
    assert_eq!(known("bob", &ids), Some(ids[3..].to_vec()));
    assert_eq!(known("carol", &ids), Some(Vec::new()));
    assert_eq!(known("alice", &[TransactionId([7; 16])]), Some(Vec::new()));
    assert_eq!(known("alice", &[]), None, "nothing was asked");
}

#[test]
fn a_replica_belongs_to_the_user_who_used_it_first() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let transaction = alice.write(INSERT);
    alice.push(&mut server, std::slice::from_ref(&transaction));
    let push = Push { replica: alice.replica, transactions: vec![transaction] };
    assert!(matches!(server.core.decide(&principal("bob"), &push, 0), Err(StorageError::WrongUser)));
    assert!(matches!(server.core.admit(&user("bob"), alice.replica, 0), Err(StorageError::WrongUser)));
    assert_eq!(server.core.admit(&user("alice"), alice.replica, 0).unwrap().last_sequence, Sequence(1));
    assert_eq!(server.core.admit(&user("bob"), ReplicaId([2; 16]), 0).unwrap().last_sequence, Sequence(0));
}

#[test]
fn one_rejected_in_the_middle_holds_up_nobody_but_those_that_build_on_it() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let first = alice.write(INSERT);
    let bad = alice.write("INSERT INTO lists VALUES ('l2', 'Theirs', 'bob', NULL)");
    let mut dependent = alice.write("INSERT INTO lists VALUES ('l3', 'C', 'alice', NULL)");
    dependent.after = vec![bad.sequence];
    let mut chained = alice.write("INSERT INTO lists VALUES ('l4', 'D', 'alice', NULL)");
    chained.after = vec![first.sequence, dependent.sequence];
    let last = alice.write("INSERT INTO lists VALUES ('l5', 'E', 'alice', NULL)");
    let outcomes = alice.push(&mut server, &[first, bad, dependent, chained, last]);
    assert_eq!(outcomes.iter().map(code).collect::<Vec<_>>(), ["applied", "forbidden", "depends_on", "depends_on", "applied"]);
    assert_eq!(server.rows("SELECT id FROM lists ORDER BY id"), ["l1", "l5"]);
}

#[test]
fn a_rejection_stands_at_the_head_and_leaves_no_trace() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    alice.sync(&mut server, INSERT);
    let head = server.core.head().unwrap();
    let outcome = alice.sync(&mut server, "INSERT INTO lists VALUES ('l2', 'B', 'alice', NULL); INSERT INTO lists VALUES ('l3', 'C', 'bob', NULL)");
    assert!(matches!(outcome, Outcome::Rejected { position, .. } if position == head));
    assert_eq!(server.core.head().unwrap(), head);
    assert_eq!(server.rows("SELECT id FROM lists"), ["l1"]);
    assert_eq!(server.rows("SELECT count(*) FROM seaworthy_rows"), ["1"]);
}

#[test]
fn a_group_that_is_not_committed_decided_nothing() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let push = Push { replica: alice.replica, transactions: vec![alice.write(INSERT)] };
    let group = server.core.group().unwrap();
    group.decide(&principal("alice"), &push, 0).unwrap();
    drop(group);
    assert_eq!(server.rows("SELECT * FROM lists"), [""; 0]);
    let answer = server.core.decide(&principal("alice"), &push, 0).unwrap();
    assert_eq!(code(&answer[0].outcome), "applied");
}

#[test]
fn what_builds_on_a_rejected_transaction_is_rejected_under_a_new_replica_too() {
    let mut server = Bench::new();
    let mut alice = Client::new("alice", 1);
    let stolen = alice.write("INSERT INTO lists VALUES ('l', 'L', 'bob', NULL)");
    assert_eq!(code(&alice.push(&mut server, std::slice::from_ref(&stolen))[0]), "forbidden");
    let renamed = Client::new("alice", 2);
    let mut built = alice.write("INSERT INTO lists VALUES ('m', 'M', 'alice', NULL)");
    built.after = vec![Sequence(1)];
    assert_eq!(renamed.push(&mut server, &[stolen, built]).iter().map(code).collect::<Vec<_>>(), ["forbidden", "depends_on"]);
}

#[test]
fn copies_that_push_the_same_transactions_under_names_of_their_own_have_one_effect() {
    let mut server = Bench::new();
    let mut original = Client::new("alice", 1);
    let shared = [original.write(INSERT), original.write("UPDATE lists SET name = 'Ours'")];
    let answers = original.push(&mut server, &shared);
    let log = server.core.head().unwrap();
    for replica in 2..5 {
        let copy = Client::new("alice", replica);
        assert_eq!(copy.push(&mut server, &shared), answers);
        assert_eq!(copy.push(&mut server, &shared), answers, "and again");
    }
    assert_eq!(server.core.head().unwrap(), log);
}
