//! Whatever is pushed, in whatever order, repeated at will: every replica that applies what it pulls
//! holds exactly the rows of its buckets, and every transaction has one effect.

use super::{
    Bench, Client,
    bench::{code, rows},
    mirror::Mirror,
    principal,
};
use proptest::prelude::*;
use seaworthy_protocol::{Outcome, Transaction};

const USERS: [&str; 3] = ["alice", "bob", "carol"];

#[derive(Clone, Debug)]
enum Step {
    /// A client writes, whatever its database says to it.
    Write { client: usize, sql: String },
    /// A client pushes what it wrote from here on; the answer may be lost, so that it pushes again.
    Push { client: usize, lost: bool },
    /// A replica pulls.
    Pull { user: usize },
}

fn statement() -> impl Strategy<Value = String> {
    let (id, user, slug) = (0..5u8, 0..3usize, 0..4u8);
    prop_oneof![
        (id.clone(), user.clone(), slug.clone()).prop_map(|(id, user, slug)| format!(
            "INSERT INTO lists VALUES ('l{id}', 'new', '{}', nullif('s{slug}', 's3')) ON CONFLICT (id) DO UPDATE SET name = 'again'",
            USERS[user]
        )),
        (id.clone(), slug.clone()).prop_map(|(id, slug)| format!("UPDATE OR REPLACE lists SET slug = 's{slug}' WHERE id = 'l{id}'")),
        (id.clone(), id.clone()).prop_map(|(id, to)| format!("UPDATE OR IGNORE lists SET id = 'l{to}' WHERE id = 'l{id}'")),
        (id.clone(), user.clone()).prop_map(|(id, user)| format!("UPDATE lists SET owner_id = '{}' WHERE id = 'l{id}'", USERS[user])),
        id.clone().prop_map(|id| format!("DELETE FROM lists WHERE id = 'l{id}'")),
        (id.clone(), id.clone(), user).prop_map(|(id, list, user)| format!(
            "INSERT OR REPLACE INTO todos SELECT 't{id}', id, 'todo', '{}', 0 FROM lists WHERE id = 'l{list}'",
            USERS[user]
        )),
        (id.clone(), id.clone()).prop_map(|(id, list)| format!(
            "UPDATE OR IGNORE todos SET list_id = 'l{list}', done = done + 1 WHERE id = 't{id}' AND EXISTS (SELECT 1 FROM lists WHERE id = 'l{list}')"
        )),
        (id.clone(), slug).prop_map(|(id, n)| format!("INSERT OR REPLACE INTO tags VALUES ('a{id}', {n}, 'x')")),
        id.prop_map(|id| format!("DELETE FROM tags WHERE a = 'a{id}'")),
        Just("UPDATE lists SET slug = CASE slug WHEN 's0' THEN NULL WHEN 's1' THEN 's0' ELSE slug END".to_owned()),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4usize, prop::collection::vec(statement(), 1..5)).prop_map(|(client, sql)| Step::Write { client, sql: sql.join(";") }),
        2 => (0..4usize, any::<bool>()).prop_map(|(client, lost)| Step::Push { client, lost }),
        1 => (0..3usize).prop_map(|user| Step::Pull { user }),
    ]
}

struct World {
    server: Bench,
    clients: Vec<(Client, Vec<Transaction>, Vec<Outcome>)>,
    mirrors: Vec<Mirror>,
}

impl World {
    fn new() -> Self {
        // The fourth client is a second device of the first user.
        let clients = (0..4).map(|at| (Client::new(USERS[at % 3], at as u8 + 1), Vec::new(), Vec::new())).collect();
        Self { server: Bench::new(), clients, mirrors: (0..3).map(|_| Mirror::default()).collect() }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Write { client, sql } => {
                let (client, outbox, _) = &mut self.clients[client];
                // A statement that the client's own database refuses leaves no transaction.
                if client.conn.execute_batch(&format!("SAVEPOINT probe; {sql}; ROLLBACK TO probe; RELEASE probe")).is_err() {
                    client.conn.execute_batch("ROLLBACK TO probe; RELEASE probe").unwrap();
                    return;
                }
                let transaction = client.write(&sql);
                outbox.push(transaction);
            }
            Step::Push { client, lost } => self.push(client, lost),
            Step::Pull { user } => {
                self.mirrors[user].catch_up(&self.server, &principal(USERS[user]));
            }
        }
    }

    fn push(&mut self, client: usize, lost: bool) {
        let (client, outbox, known) = &mut self.clients[client];
        let answer = client.push(&mut self.server, &outbox[known.len()..]);
        assert_eq!(answer.len(), outbox.len() - known.len());
        if !lost {
            known.extend(answer);
        }
        // From the beginning again: every known answer must be the same.
        let all = client.push(&mut self.server, outbox);
        assert_eq!(&all[..known.len()], &known[..]);
    }

    fn check(&mut self) {
        for client in 0..self.clients.len() {
            self.push(client, false);
        }
        let head = self.server.core.head().unwrap();
        for (user, subject) in USERS.into_iter().enumerate() {
            self.step(Step::Pull { user });
            let mut whole = Mirror::default();
            whole.catch_up(&self.server, &principal(subject));
            assert_eq!(self.mirrors[user].rows(), whole.rows(), "{subject} holds something else than the server");
            let owned =
                "SELECT (SELECT count(*) FROM lists WHERE owner_id = 'U') + (SELECT count(*) FROM todos WHERE owner_id = 'U') + (SELECT count(*) FROM tags)";
            assert_eq!(self.server.rows(&owned.replace('U', subject)), [whole.rows().len().to_string()]);
        }
        let accepted = self.clients.iter().flat_map(|(_, _, outcomes)| outcomes).filter(|outcome| ["applied", "merged"].contains(&code(outcome))).count();
        assert_eq!(self.server.rows("SELECT count(*) FROM seaworthy_log WHERE replica IS NOT NULL"), [accepted.to_string()]);
        assert_eq!(self.server.core.head().unwrap(), head);
        assert_eq!(rows(self.server.core.connection(), "PRAGMA foreign_key_check"), [""; 0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_hold_what_the_server_holds_and_each_transaction_has_one_effect(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        steps.into_iter().for_each(|step| world.step(step));
        world.check();
    }
}
