//! Rebase against its definition: whatever the schedule, what the store shows is the last checkpoint plus
//! the pending transactions that can stand, in order. The definition is computed here on plain maps.

use crate::fixture::Fixture;
use proptest::prelude::*;
use seaworthy_protocol::{Changes, Op, Outcome, Position, Rows, Sequence, TransactionId, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A row of `todos`: title and slug (which is UNIQUE).
type Row = (String, Option<String>);
type Table = BTreeMap<String, Row>;
/// A remote row: its key, then its title and slug, or `None` when it is gone.
type Remote = (u8, Option<(u8, Option<u8>)>);

#[derive(Clone, Debug)]
enum Step {
    Insert(u8, u8, Option<u8>),
    Title(u8, u8),
    Slug(u8, Option<u8>),
    Both(u8, u8, u8),
    Delete(u8),
    Swap(u8, u8),
    /// The server decides the oldest undecided transaction.
    Decide(bool),
    /// A checkpoint with these remote rows (`None`: gone), a position `late` decisions behind, perhaps a reset.
    Checkpoint(Vec<Remote>, bool),
    Reopen,
}

struct Pending {
    sequence: Sequence,
    id: TransactionId,
    seen: Changes,
    after: Vec<Sequence>,
    decided: Option<(u64, bool)>,
}

struct Model {
    base: Table,
    pending: Vec<Pending>,
    position: u64,
    rejected: BTreeSet<TransactionId>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let (key, word, slug) = (0..6_u8, 0..4_u8, proptest::option::of(0..4_u8));
    let remote = proptest::collection::vec((key.clone(), proptest::option::of((word.clone(), slug.clone()))), 0..4);
    let step = prop_oneof![
        3 => (key.clone(), word.clone(), slug.clone()).prop_map(|(k, t, s)| Step::Insert(k, t, s)),
        3 => (key.clone(), word.clone()).prop_map(|(k, t)| Step::Title(k, t)),
        2 => (key.clone(), slug.clone()).prop_map(|(k, s)| Step::Slug(k, s)),
        2 => (key.clone(), key.clone(), word).prop_map(|(a, b, t)| Step::Both(a, b, t)),
        2 => key.clone().prop_map(Step::Delete),
        1 => (key.clone(), key).prop_map(|(a, b)| Step::Swap(a, b)),
        3 => any::<bool>().prop_map(Step::Decide),
        4 => (remote, proptest::bool::weighted(0.1)).prop_map(|(rows, reset)| Step::Checkpoint(rows, reset)),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_is_the_checkpoint_plus_what_is_pending_and_can_stand(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("db");
        let connect = || {
            let conn = rusqlite::Connection::open(&file).unwrap();
            conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").unwrap();
            conn
        };
        let mut f = Fixture::on(connect(), crate::fixture::SCHEMA);
        let mut model = Model { base: Table::new(), pending: Vec::new(), position: 0, rejected: BTreeSet::new() };
        for step in steps {
            if matches!(step, Step::Reopen) {
                f.store.close().unwrap();
                f = Fixture::on(connect(), crate::fixture::SCHEMA);
            } else {
                run(&mut f, &mut model, &step);
            }
            let (shown, masked) = model.view();
            prop_assert_eq!(read(&mut f), shown, "after {:?}", step);
            let blocked: BTreeSet<_> = f.store.pending().unwrap().iter().filter(|write| write.blocked).map(|write| write.id).collect();
            prop_assert_eq!(blocked, masked, "after {:?}", step);
            let kept: BTreeSet<_> = f.store.rejected().unwrap().iter().map(|write| write.id).collect();
            prop_assert_eq!(&kept, &model.rejected, "after {:?}", step);
        }
    }
}

fn run(f: &mut Fixture, model: &mut Model, step: &Step) {
    match step {
        Step::Insert(k, t, s) => write(f, model, &[&format!("INSERT INTO todos (id, title, slug) VALUES ('{k}', '{t}', {})", literal(*s))]),
        Step::Title(k, t) => write(f, model, &[&format!("UPDATE todos SET title = '{t}' WHERE id = '{k}'")]),
        Step::Slug(k, s) => write(f, model, &[&format!("UPDATE OR REPLACE todos SET slug = {} WHERE id = '{k}'", literal(*s))]),
        Step::Both(a, b, t) => {
            write(f, model, &[&format!("UPDATE todos SET title = '{t}' WHERE id = '{a}'"), &format!("DELETE FROM todos WHERE id = '{b}' AND id <> '{a}'")])
        }
        Step::Delete(k) => write(f, model, &[&format!("DELETE FROM todos WHERE id = '{k}'")]),
        Step::Swap(a, b) => write(
            f,
            model,
            &[
                &format!("UPDATE todos SET id = '-' WHERE id = '{a}'"),
                &format!("UPDATE todos SET id = '{a}' WHERE id = '{b}'"),
                &format!("UPDATE todos SET id = '{b}' WHERE id = '-'"),
            ],
        ),
        Step::Decide(good) => {
            model.position += 1;
            let position = model.position;
            if let Some(entry) = model.pending.iter_mut().find(|entry| entry.decided.is_none()) {
                entry.decided = Some((position, !good));
                let outcome = if *good { Outcome::Applied { position: Position(position) } } else { crate::fixture::rejected(Position(position)) };
                f.store.record(&[seaworthy_protocol::TransactionResult { sequence: entry.sequence, outcome }]).unwrap();
            }
        }
        Step::Checkpoint(rows, reset) => checkpoint(f, model, rows, *reset),
        Step::Reopen => {}
    }
}

fn write(f: &mut Fixture, model: &mut Model, statements: &[&str]) {
    let Ok(receipt) = f.try_exec(statements) else { return };
    let (Some(id), Some(sequence)) = (receipt.id, receipt.sequence) else { return };
    let transaction = f.store.outbox(Sequence(sequence.0 - 1), 1, usize::MAX).unwrap().remove(0);
    model.pending.push(Pending { sequence, id, seen: transaction.changes, after: transaction.after, decided: None });
}

fn checkpoint(f: &mut Fixture, model: &mut Model, rows: &[Remote], reset: bool) {
    let mut base = if reset { Table::new() } else { model.base.clone() };
    for (key, row) in rows {
        base.remove(&key.to_string());
        if let Some((title, slug)) = row {
            base.insert(key.to_string(), (title.to_string(), slug.map(|s| s.to_string())));
        }
    }
    if !is_unique(&base) {
        return; // The server would not hold such a table.
    }
    let touched: BTreeSet<String> = rows.iter().map(|(key, _)| key.to_string()).collect();
    let mut frame = Rows { table: "todos".into(), columns: vec!["id".into(), "title".into(), "slug".into()], key: vec!["id".into()], ..Rows::default() };
    for key in touched {
        match base.get(&key) {
            Some((title, slug)) => frame.rows.push(vec![Value::Text(key), title.as_str().into(), slug.as_deref().map_or(Value::Null, Value::from)]),
            None => frame.gone.push(vec![Value::Text(key)]),
        }
    }
    model.base = base;
    let applied = f.checkpoint_at(model.position, &[frame], reset);
    let position = model.position;
    let ends = |entry: &Pending| entry.decided.is_some_and(|(at, _)| at <= position);
    let rejected: BTreeSet<_> = model.pending.iter().filter(|e| ends(e) && e.decided.is_some_and(|(_, no)| no)).map(|e| e.id).collect();
    assert_eq!(applied.rejected.iter().map(|write| write.id).collect::<BTreeSet<_>>(), rejected);
    model.rejected.extend(rejected);
    model.pending.retain(|entry| !ends(entry));
}

impl Model {
    fn view(&self) -> (Table, BTreeSet<TransactionId>) {
        let mut table = self.base.clone();
        let mut masked = BTreeSet::new();
        let mut masked_sequences = BTreeSet::new();
        for entry in &self.pending {
            let after = replayed(&table, &entry.seen).filter(|_| !entry.after.iter().any(|sequence| masked_sequences.contains(sequence)));
            match after {
                Some(next) => table = next,
                None => {
                    masked.insert(entry.id);
                    masked_sequences.insert(entry.sequence);
                }
            }
        }
        (table, masked)
    }
}

/// The table after a transaction's changes, or `None` if it cannot stand.
fn replayed(table: &Table, changes: &Changes) -> Option<Table> {
    let mut next = table.clone();
    for group in &changes.tables {
        let at = |name: &str| group.columns.iter().position(|column| column == name);
        let cell = |row: &[Option<Value>], name: &str| row.get(at(name)?).cloned().flatten();
        for row in &group.rows {
            let key = crate::fixture::text(group.key_of(row)[0]);
            if row.op == Op::Delete {
                next.remove(&key);
                continue;
            }
            let old = table.get(&key).cloned();
            if row.op == Op::Update && old.is_none() {
                return None;
            }
            let mut new = old.unwrap_or_default();
            if let Some(title) = cell(&row.new, "title") {
                new.0 = crate::fixture::text(&title);
            }
            if let Some(slug) = cell(&row.new, "slug") {
                new.1 = (slug != Value::Null).then(|| crate::fixture::text(&slug));
            }
            next.insert(key, new);
        }
    }
    is_unique(&next).then_some(next)
}

fn is_unique(table: &Table) -> bool {
    let slugs: Vec<_> = table.values().filter_map(|row| row.1.as_ref()).collect();
    slugs.iter().collect::<BTreeSet<_>>().len() == slugs.len()
}

fn read(f: &mut Fixture) -> Table {
    let lines = f.rows("SELECT id || '|' || title || '|' || coalesce(slug, '') FROM todos");
    lines
        .iter()
        .map(|line| {
            let parts: Vec<&str> = line.split('|').collect();
            (parts[0].to_owned(), (parts[1].to_owned(), (!parts[2].is_empty()).then(|| parts[2].to_owned())))
        })
        .collect()
}

fn literal(slug: Option<u8>) -> String {
    slug.map_or("NULL".to_owned(), |s| format!("'{s}'"))
}
