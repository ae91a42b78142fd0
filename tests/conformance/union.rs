//! Buckets against their definition: whatever the sequence of checkpoints, what is shown is the union of what the held
//! buckets hold, and on top of it what is pending and can stand. The definition is computed here on plain maps.

use crate::fixture::{Fixture, SCHEMA, applied, at, rejected, text};
use proptest::prelude::*;
use seaworthy_protocol::{BucketId, BucketUpdate, Changes, Checkpoint, Checksum, Op, Rows, Sequence, StreamState, Value};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
enum Step {
    /// A statement of this kind about a todo.
    Write(u8, u8),
    /// A row of the server is another.
    Change(u8),
    /// A row enters a bucket, or leaves it.
    Move(u8, u8),
    /// The replica is to hold a bucket, or no longer.
    Want(u8),
    Decide(bool),
    Checkpoint(Kind, u8),
    Reopen,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    News,
    Partial,
    Reset,
    /// This bucket comes whole although it is held.
    Again,
}

type Contents = BTreeMap<u8, BTreeMap<u8, u64>>;

#[derive(Default)]
struct Model {
    /// The server's rows, each with its version.
    rows: BTreeMap<u8, u64>,
    members: BTreeSet<(u8, u8)>,
    wanted: BTreeSet<u8>,
    /// What the replica holds: the versions of rows by bucket.
    sent: Contents,
    pending: Vec<Pending>,
    position: u64,
}

struct Pending {
    sequence: Sequence,
    seen: Changes,
    after: Vec<Sequence>,
    decided: Option<u64>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let kind = prop_oneof![6 => Just(Kind::News), 2 => Just(Kind::Partial), 1 => Just(Kind::Reset), 1 => Just(Kind::Again)];
    let step = prop_oneof![
        4 => (any::<u8>(), 0..6_u8).prop_map(|(kind, todo)| Step::Write(kind, todo)),
        3 => (0..6_u8).prop_map(Step::Change),
        4 => (0..4_u8, 0..6_u8).prop_map(|(bucket, todo)| Step::Move(bucket, todo)),
        3 => (0..4_u8).prop_map(Step::Want),
        2 => proptest::bool::weighted(0.6).prop_map(Step::Decide),
        5 => (kind, 0..4_u8).prop_map(|(kind, bucket)| Step::Checkpoint(kind, bucket)),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_is_the_union_of_the_buckets_and_what_is_pending(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let conn = rusqlite::Connection::open(dir.path().join("db")).unwrap();
            conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").unwrap();
            Fixture::on(conn, SCHEMA)
        };
        let (mut f, mut model) = (open(), Model::default());
        for step in steps {
            match step {
                Step::Write(kind, todo) => model.write(&mut f, kind, todo),
                Step::Change(todo) => *model.rows.entry(todo).or_default() += 1,
                Step::Move(bucket, todo) => model.toggle(bucket, todo),
                Step::Want(bucket) => drop(model.wanted.remove(&bucket) || model.wanted.insert(bucket)),
                Step::Decide(good) => model.decide(&mut f, good),
                Step::Checkpoint(kind, bucket) => model.checkpoint(&mut f, kind, bucket),
                Step::Reopen => {
                    f.store.close().unwrap();
                    f = open();
                }
            }
            let shown: BTreeMap<String, String> = f.titles().iter().filter_map(|line| line.split_once('=')).map(|(id, title)| (id.into(), title.into())).collect();
            prop_assert_eq!(shown, model.view(), "after {:?}", step);
            let held: Vec<BucketId> = model.sent.keys().map(|bucket| id(*bucket)).collect();
            prop_assert_eq!(f.store.replica().buckets.to_vec(), held);
        }
    }
}

fn id(bucket: u8) -> BucketId {
    BucketId(format!("b{bucket}"))
}

fn row(todo: u8, version: u64) -> Vec<Value> {
    vec![todo.to_string().as_str().into(), version.to_string().as_str().into()]
}

impl Model {
    fn toggle(&mut self, bucket: u8, todo: u8) {
        self.rows.entry(todo).or_default();
        if !self.members.remove(&(bucket, todo)) {
            self.members.insert((bucket, todo));
        }
    }

    fn contents(&self, bucket: u8) -> BTreeMap<u8, u64> {
        self.members.iter().filter(|(of, _)| *of == bucket).map(|(_, todo)| (*todo, self.rows[todo])).collect()
    }

    fn write(&mut self, f: &mut Fixture, kind: u8, todo: u8) {
        let sql = match kind % 3 {
            0 => format!("INSERT INTO todos (id, title) VALUES ('{todo}', 'mine')"),
            1 => format!("UPDATE todos SET title = 'edit {kind}' WHERE id = '{todo}'"),
            _ => format!("DELETE FROM todos WHERE id = '{todo}'"),
        };
        let Ok(receipt) = f.try_exec(&[&sql]) else { return };
        let Some(sequence) = receipt.sequence else { return };
        let written = f.store.outbox(Sequence(sequence.0 - 1), 1, usize::MAX).unwrap().remove(0);
        self.pending.push(Pending { sequence, seen: written.changes, after: written.after, decided: None });
    }

    fn decide(&mut self, f: &mut Fixture, good: bool) {
        let Some(entry) = self.pending.iter_mut().find(|entry| entry.decided.is_none()) else { return };
        entry.decided = Some(self.position + 1);
        f.decide(entry.sequence.0, if good { applied } else { rejected });
    }

    /// The server says what is news to the replica.
    fn checkpoint(&mut self, f: &mut Fixture, kind: Kind, again: u8) {
        self.position += 1;
        if kind == Kind::Reset {
            self.sent.clear();
        }
        let (mut frames, mut updates, mut sent) = (Vec::new(), Vec::new(), Contents::new());
        for bucket in self.wanted.clone() {
            let former = self.sent.get(&bucket).filter(|_| kind != Kind::Again || bucket != again);
            if former.is_none() && kind == Kind::Partial && !sent.is_empty() {
                // It is to come with the next.
                continue;
            }
            let now = self.contents(bucket);
            let news = now.iter().filter(|(todo, version)| former.is_none_or(|former| former.get(todo) != Some(version)));
            let gone = former.into_iter().flatten().filter(|(todo, _)| !now.contains_key(todo));
            frames.push(Rows {
                bucket: id(bucket),
                table: "todos".into(),
                columns: vec!["id".into(), "title".into()],
                key: vec!["id".into()],
                rows: news.map(|(todo, version)| row(*todo, *version)).collect(),
                gone: gone.map(|(todo, _)| vec![todo.to_string().as_str().into()]).collect(),
            });
            let checksum = now.iter().fold(Checksum(0), |sum, (todo, version)| sum.plus(Checksum::of_row(&row(*todo, *version)))).0;
            updates.push(BucketUpdate { bucket: id(bucket), joined: former.is_none(), rows: now.len() as u64, checksum });
            sent.insert(bucket, now);
        }
        let buckets = self.wanted.iter().map(|bucket| id(*bucket)).collect();
        let streams = Some(vec![StreamState { stream: "s".into(), params: BTreeMap::new(), auto: true, buckets, error: None }]);
        let partial = kind == Kind::Partial;
        let done = f.apply(&frames, &Checkpoint { reset: kind == Kind::Reset, streams, buckets: updates, partial, ..at(self.position) });
        assert_eq!(done.diverged, None, "the book agrees with the server");
        self.sent = sent;
        if !partial {
            self.pending.retain(|entry| entry.decided.is_none_or(|at| at > self.position));
        }
    }

    fn view(&self) -> BTreeMap<String, String> {
        let base = self.sent.values().flatten().map(|(todo, version)| (todo.to_string(), version.to_string()));
        let (mut state, mut masked) = (base.collect(), BTreeSet::new());
        for entry in &self.pending {
            match replayed(&state, &entry.seen).filter(|_| !entry.after.iter().any(|sequence| masked.contains(sequence))) {
                Some(next) => state = next,
                None => drop(masked.insert(entry.sequence)),
            }
        }
        state
    }
}

/// The todos after a transaction's changes, or `None` if it cannot stand.
fn replayed(state: &BTreeMap<String, String>, changes: &Changes) -> Option<BTreeMap<String, String>> {
    let mut next = state.clone();
    for group in &changes.tables {
        let title = group.columns.iter().position(|name| name == "title")?;
        for row in &group.rows {
            let key = text(group.key_of(row)[0]);
            match (row.op, row.new.get(title)) {
                (Op::Delete, _) => drop(next.remove(&key)),
                (Op::Update, _) if !state.contains_key(&key) => return None,
                (_, Some(Some(title))) => drop(next.insert(key, text(title))),
                _ => {}
            }
        }
    }
    Some(next)
}
