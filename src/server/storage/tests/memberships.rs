//! Streams over memberships: whatever is written, in whatever order and however a replica pulls, it holds what
//! the queries of its streams select for its user, and is woken whenever that changes.

use super::{
    Bench, Client,
    bench::{asked, auto, code},
    mirror::{Held, Mirror},
    principal,
};
use crate::storage::{Served, StreamConfigs, TableConfig, Tables, WriteConfig};
use proptest::prelude::*;
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Push, Subscription, Value};
use std::{collections::BTreeMap, sync::Arc};

const TABLES: &str = "
    CREATE TABLE lists (id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, owner TEXT);
    CREATE TABLE todos (id TEXT NOT NULL PRIMARY KEY, list TEXT COLLATE NOCASE, title TEXT NOT NULL, done INTEGER NOT NULL);
    CREATE TABLE shares (list TEXT NOT NULL, team TEXT NOT NULL, PRIMARY KEY (list, team));
    CREATE TABLE teams (team TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (team, user));
    CREATE TABLE invitations (list TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (list, user));";

/// Nobody replicates the members: the server's triggers make them.
const MEMBERS: &str = "
    CREATE TABLE members (list TEXT NOT NULL, user TEXT NOT NULL, PRIMARY KEY (list, user));
    CREATE TRIGGER invite AFTER INSERT ON invitations BEGIN INSERT OR IGNORE INTO members VALUES (new.list, new.user); END;
    CREATE TRIGGER dismiss AFTER DELETE ON invitations BEGIN DELETE FROM members WHERE list = old.list AND user = old.user; END;";

const MINE: &str = "SELECT * FROM lists WHERE owner = auth.user_id() OR id IN (SELECT list FROM members WHERE user = auth.user_id())";
const SHARED: &str = "SELECT * FROM lists WHERE id IN (SELECT list FROM shares WHERE team IN (SELECT team FROM teams WHERE user = auth.user_id()))";
const OPEN: &str = "SELECT * FROM todos WHERE done = 0 AND list IN (SELECT list FROM members WHERE user = auth.user_id())";
const ONE: &str = "SELECT * FROM todos WHERE list = params.list AND list IN (SELECT id FROM lists WHERE owner = auth.user_id())";

const USERS: [&str; 3] = ["alice", "bob", "carol"];
const NAMES: [&str; 5] = ["lists", "todos", "shares", "teams", "invitations"];

fn server() -> Bench {
    let table = TableConfig { write: Some(WriteConfig::All("1".to_owned())), ..TableConfig::default() };
    let tables: Tables = NAMES.map(|name| (name.to_owned(), table.clone())).into();
    let mut streams: StreamConfigs = [("mine", auto(MINE)), ("shared", auto(SHARED)), ("open", auto(OPEN)), ("one", asked(ONE))]
        .map(|(name, stream)| (name.to_owned(), stream))
        .into();
    for table in NAMES {
        streams.insert(format!("all_{table}"), asked(&format!("SELECT * FROM {table} WHERE auth.claim('role') = 'admin'")));
    }
    streams.get_mut("open").unwrap().priority = 3;
    Bench::serving(&format!("{TABLES}{MEMBERS}"), Served { tables: &tables, streams: &streams }).unwrap()
}

fn admin() -> Principal {
    Principal { claims: Arc::new([("role".to_owned(), "admin".into())].into_iter().collect()), ..principal("admin") }
}

fn subscription(list: &str) -> Subscription {
    Subscription { stream: "one".to_owned(), params: BTreeMap::from([("list".to_owned(), list.into())]) }
}

/// The one who may write everything, and replicas of those who read.
struct World {
    server: Bench,
    writer: Client,
    mirrors: Vec<Mirror>,
    /// Whether a replica has everything and was not woken since.
    at_rest: Vec<bool>,
}

impl World {
    fn new() -> Self {
        let writer = Client { principal: admin(), ..Client::with(TABLES, "admin", 1) };
        Self { server: server(), writer, mirrors: USERS.map(|_| Mirror::default()).into(), at_rest: vec![false; USERS.len()] }
    }

    fn write(&mut self, sql: &str) {
        let transaction = self.writer.write(sql);
        let push = Push { replica: self.writer.replica, transactions: vec![transaction] };
        let group = self.server.core.group().unwrap();
        let results = group.decide(&self.writer.principal, &push, 0).unwrap();
        let (_, touched) = group.commit().unwrap();
        assert_eq!(code(&results[0].outcome), "applied", "{sql}");
        for (mirror, at_rest) in self.mirrors.iter().zip(&mut self.at_rest) {
            *at_rest &= !touched.names().any(|name| mirror.interest.contains(name));
        }
    }

    fn subscribe(&mut self, user: usize, list: &str) {
        let subscriptions = &mut self.mirrors[user].subscriptions;
        match subscriptions.iter().position(|known| *known == subscription(list)) {
            Some(at) => drop(subscriptions.remove(at)),
            None => subscriptions.push(subscription(list)),
        }
        self.at_rest[user] = false;
    }

    fn pull(&mut self, user: usize, join_bytes: usize) -> bool {
        let step = self.mirrors[user].pull(&self.server, &principal(USERS[user]), join_bytes);
        assert!(!self.at_rest[user] || !step.is_news, "{} was not woken", USERS[user]);
        self.at_rest[user] = !step.more;
        if !step.more {
            self.check(user);
        }
        step.more
    }

    fn check(&self, user: usize) {
        let filled = |query: &str, list: &str| query.replace("auth.user_id()", &format!("'{}'", USERS[user])).replace("params.list", &format!("'{list}'"));
        let mut expected = Held::new();
        for query in [MINE, SHARED] {
            self.select("lists", &filled(query, ""), &mut expected);
        }
        self.select("todos", &filled(OPEN, ""), &mut expected);
        for subscription in &self.mirrors[user].subscriptions {
            let Value::Text(list) = &subscription.params["list"] else { panic!("a text") };
            self.select("todos", &filled(ONE, list), &mut expected);
        }
        assert_eq!(self.mirrors[user].rows(), expected, "{} holds something else than the queries say", USERS[user]);
    }

    fn select(&self, table: &str, query: &str, into: &mut Held) {
        let mut statement = self.server.core.connection().prepare(query).unwrap();
        let count = statement.column_count();
        let rows = statement.query_map([], |row| crate::storage::binding::values(row, 0, count)).unwrap();
        into.extend(rows.map(|row| row.unwrap()).map(|row| ((table.to_owned(), format!("{:?}", [&row[0]])), row)));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<String>),
    Subscribe { user: usize, list: u8 },
    Pull { user: usize, join_bytes: usize },
}

fn statement() -> impl Strategy<Value = String> {
    let (id, user, team) = (0..4u8, prop_oneof![Just("alice"), Just("bob"), Just("carol"), Just("admin")], 0..2u8);
    prop_oneof![
        (id.clone(), user.clone()).prop_map(|(id, user)| format!("INSERT OR REPLACE INTO lists VALUES ('l{id}', 'list', '{user}')")),
        (id.clone(), user.clone()).prop_map(|(id, user)| format!("UPDATE lists SET owner = nullif('{user}', 'admin') WHERE id = 'l{id}'")),
        (id.clone(), id.clone()).prop_map(|(id, to)| format!("UPDATE OR IGNORE lists SET id = 'l{to}', name = 'moved' WHERE id = 'l{id}'")),
        id.clone().prop_map(|id| format!("DELETE FROM lists WHERE id = 'l{id}'")),
        (id.clone(), id.clone(), 0..2u8).prop_map(|(id, list, done)| format!("INSERT OR REPLACE INTO todos VALUES ('t{id}', 'L{list}', 'todo', {done})")),
        (id.clone(), id.clone()).prop_map(|(id, list)| format!("UPDATE todos SET list = 'l{list}', title = title || '.' WHERE id = 't{id}'")),
        id.clone().prop_map(|id| format!("UPDATE todos SET done = 1 - done WHERE id = 't{id}'")),
        id.clone().prop_map(|id| format!("UPDATE OR IGNORE todos SET id = 't' || (length(id) % 4) WHERE id = 't{id}'")),
        id.clone().prop_map(|id| format!("DELETE FROM todos WHERE id = 't{id}'")),
        (id.clone(), user.clone()).prop_map(|(id, user)| format!("INSERT OR IGNORE INTO invitations VALUES ('l{id}', '{user}')")),
        (id.clone(), user.clone()).prop_map(|(id, user)| format!("DELETE FROM invitations WHERE list = 'l{id}' AND user = '{user}'")),
        (id.clone(), team.clone()).prop_map(|(id, team)| format!("INSERT OR IGNORE INTO shares VALUES ('l{id}', 'team{team}')")),
        (id.clone(), id.clone(), team.clone())
            .prop_map(|(id, to, team)| format!("UPDATE OR IGNORE shares SET list = 'l{to}' WHERE list = 'l{id}' AND team = 'team{team}'")),
        (id, team.clone()).prop_map(|(id, team)| format!("DELETE FROM shares WHERE list = 'l{id}' AND team = 'team{team}'")),
        (team.clone(), user.clone()).prop_map(|(team, user)| format!("INSERT OR IGNORE INTO teams VALUES ('team{team}', '{user}')")),
        (team, user).prop_map(|(team, user)| format!("DELETE FROM teams WHERE team = 'team{team}' AND user = '{user}'")),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(statement(), 1..4).prop_map(Step::Write),
        1 => (0..3usize, 0..4u8).prop_map(|(user, list)| Step::Subscribe { user, list }),
        3 => (0..3usize, prop_oneof![Just(0), Just(40), Just(usize::MAX)]).prop_map(|(user, join_bytes)| Step::Pull { user, join_bytes }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn replicas_hold_what_the_queries_select_and_are_woken_when_that_changes(steps in prop::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            match step {
                Step::Write(sql) => world.write(&sql.join("; ")),
                Step::Subscribe { user, list } => world.subscribe(user, &format!("L{list}")),
                Step::Pull { user, join_bytes } => {
                    world.pull(user, join_bytes);
                }
            }
        }
        for user in 0..USERS.len() {
            while world.pull(user, usize::MAX) {}
        }
    }
}

#[test]
fn who_is_invited_gets_the_list_and_who_is_dismissed_loses_it_at_once() {
    let mut world = World::new();
    world.write("INSERT INTO lists VALUES ('l1', 'Trip', 'alice'); INSERT INTO todos VALUES ('t1', 'l1', 'Tent', 0)");
    assert!((0..2).all(|user| !world.pull(user, usize::MAX)));
    assert_eq!((world.mirrors[0].first_cells("lists"), world.mirrors[1].rows().len()), (vec!["l1".to_owned()], 0));
    world.write("INSERT INTO invitations VALUES ('l1', 'bob')");
    assert_eq!(world.at_rest[..2], [true, false], "only Bob is woken");
    world.pull(1, usize::MAX);
    assert_eq!((world.mirrors[1].first_cells("lists"), world.mirrors[1].first_cells("todos")), (vec!["l1".to_owned()], vec!["t1".to_owned()]));
    world.write("UPDATE todos SET title = 'Tents' WHERE id = 't1'");
    assert_eq!(world.at_rest[..2], [true, false], "Alice has the list, and not its todos");
    world.pull(1, usize::MAX);
    world.write("DELETE FROM invitations WHERE user = 'bob'");
    world.pull(1, usize::MAX);
    assert!(world.mirrors[1].rows().is_empty());
}

#[test]
fn a_bucket_joins_whole_and_the_urgent_ones_first() {
    let mut world = World::new();
    for list in 1..4 {
        world.write(&format!("INSERT INTO lists VALUES ('l{list}', 'L', 'alice'); INSERT INTO invitations VALUES ('l{list}', 'alice')"));
        world.write(&format!("INSERT INTO todos VALUES ('a{list}', 'l{list}', 'A', 0), ('b{list}', 'l{list}', 'B', 0)"));
    }
    let mut seen = Vec::new();
    while world.pull(0, 0) {
        seen.push((world.mirrors[0].first_cells("lists").len(), world.mirrors[0].first_cells("todos").len()));
    }
    // The bucket of the owner and one for each membership, then the todos list by list.
    assert_eq!(seen, [(3, 0), (3, 0), (3, 0), (3, 0), (3, 2), (3, 4)]);
    assert_eq!(world.mirrors[0].first_cells("todos").len(), 6);
}

#[test]
fn a_subscription_that_cannot_be_had_says_what_to_do_and_the_others_are_served() {
    let mut world = World::new();
    world.write("INSERT INTO lists VALUES ('l1', 'L', 'alice'); INSERT INTO todos VALUES ('t1', 'l1', 'T', 0)");
    let named = |stream: &str, params: &[(&str, Value)]| Subscription {
        stream: stream.to_owned(),
        params: params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
    };
    let wrong = [
        (named("One", &[]), "unknown_stream", "Correct the name"),
        (named("one", &[]), "bad_params", "list"),
        (named("one", &[("list", "l1".into()), ("extra", 1.into())]), "bad_params", "extra"),
        (named("one", &[("list", Value::Text("x".repeat(5000)))]), "", ""),
        (named("mine", &[("list", "l1".into())]), "bad_params", "list"),
    ];
    world.mirrors[0].subscriptions = wrong.iter().map(|(subscription, ..)| subscription.clone()).chain([subscription("L1")]).collect();
    world.pull_unchecked(0);
    let states = &world.mirrors[0].streams;
    for (subscription, expected, advice) in &wrong {
        let state = states.iter().find(|state| state.stream == subscription.stream && state.params == subscription.params).unwrap();
        match &state.error {
            Some(error) => assert!(error.code == *expected && error.message.contains(advice), "{error:?}"),
            None => assert_eq!(*expected, ""),
        }
        assert!(state.buckets.is_empty());
    }
    assert_eq!(world.mirrors[0].first_cells("todos"), ["t1"]);
    assert_eq!(states.iter().filter(|state| state.auto).count(), 3);
}

impl World {
    fn pull_unchecked(&mut self, user: usize) {
        self.mirrors[user].catch_up(&self.server, &principal(USERS[user]));
    }
}

#[test]
fn buckets_that_a_replica_only_claims_to_hold_bring_it_nothing() {
    use seaworthy_engine::session::Standing;
    use seaworthy_protocol::BucketId;
    let mut world = World::new();
    world.write("INSERT INTO lists VALUES ('l1', 'Secret', 'alice')");
    world.pull(0, usize::MAX);
    let hers: Vec<BucketId> = world.mirrors[0].streams.iter().flat_map(|state| state.buckets.clone()).collect();
    world.pull(1, usize::MAX);
    let cursor = world.mirrors[1].cursor;
    world.write("UPDATE lists SET name = 'Secret too'");
    let guessed = hers.into_iter().chain(["1.0[]", "", "1.0[\"bob\"", "' OR 1=1 --"].map(|id| BucketId(id.to_owned()))).collect();
    let read = world.server.read(&principal("bob"), &Standing { cursor, buckets: guessed, subscriptions: vec![subscription("l1")] });
    assert!(read.pulled.rows.is_empty(), "{:?}", read.pulled.rows);
}
