//! Rebase against its definition: whatever the schedule, what the store shows is the last checkpoint plus
//! the pending transactions that can stand, in order. The definition is computed here on plain maps, over
//! everything that is pending; the store takes up only what is connected.

use crate::fixture::{Fixture, rejected, text};
use proptest::prelude::*;
use seaworthy_protocol::{BucketId, Changes, Op, Outcome, Position, Rows, Sequence, TransactionId, TransactionResult, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Foreign keys over three tables, and every kind of UNIQUE: a column, two columns, a condition, a collation.
const SCHEMA: &str = r#"{
  "tables": [
    { "name": "lists", "primary_key": ["id"], "columns": [{ "name": "id", "type": "TEXT" }, { "name": "name", "type": "TEXT", "unique": true }] },
    { "name": "todos", "primary_key": ["id"], "indexes": [{ "columns": ["list_id", "place"], "unique": true }], "columns": [
      { "name": "id", "type": "TEXT" },
      { "name": "list_id", "type": "TEXT", "nullable": true, "references": { "table": "lists", "column": "id", "on_delete": "cascade" } },
      { "name": "title", "type": "TEXT" }, { "name": "slug", "type": "TEXT", "nullable": true, "unique": true }, { "name": "place", "type": "TEXT" } ] },
    { "name": "notes", "primary_key": ["id"], "columns": [
      { "name": "id", "type": "TEXT" },
      { "name": "todo_id", "type": "TEXT", "references": { "table": "todos", "column": "id", "on_delete": "cascade" } },
      { "name": "body", "type": "TEXT" } ] },
    { "name": "tags", "primary_key": ["id"], "columns": [{ "name": "id", "type": "TEXT" }, { "name": "label", "type": "TEXT" }, { "name": "color", "type": "TEXT" }] }
  ],
  "sql": ["CREATE TABLE IF NOT EXISTS passing (slug TEXT)",
          "CREATE UNIQUE INDEX IF NOT EXISTS one_pinned ON notes (todo_id) WHERE body = '1'",
          "CREATE UNIQUE INDEX IF NOT EXISTS any_case ON tags (label COLLATE NOCASE)"]
}"#;

const TABLES: [(&str, &[&str]); 4] =
    [("lists", &["name"]), ("todos", &["list_id", "title", "slug", "place"]), ("notes", &["todo_id", "body"]), ("tags", &["label", "color"])];

/// Rows by table and key: their other cells as text.
type State = BTreeMap<(String, String), Vec<String>>;
/// Numbers from which a statement, or a row, is made: of which kind, its key, and what it is to hold.
type Seed = (u8, u8, u8, u8, Option<u8>);

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<Seed>),
    /// The server decides the oldest undecided transaction.
    Decide(bool),
    /// A checkpoint this many decisions behind, with these rows (`false`: gone), perhaps a reset.
    Checkpoint(u64, Vec<(Seed, bool)>, bool),
    Reopen,
}

struct Pending {
    sequence: Sequence,
    id: TransactionId,
    seen: Changes,
    after: Vec<Sequence>,
    decided: Option<(u64, bool)>,
}

#[derive(Default)]
struct Model {
    base: State,
    pending: Vec<Pending>,
    decided: u64,
    position: u64,
    rejected: BTreeSet<TransactionId>,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seed = || (any::<u8>(), 0..5_u8, 0..5_u8, 0..4_u8, proptest::option::of(0..4_u8));
    let rows = proptest::collection::vec((seed(), proptest::bool::weighted(0.7)), 0..5);
    let step = prop_oneof![
        6 => proptest::collection::vec(seed(), 1..4).prop_map(Step::Write),
        2 => proptest::bool::weighted(0.6).prop_map(Step::Decide),
        3 => (0..3_u64, rows, proptest::bool::weighted(0.05)).prop_map(|(late, rows, reset)| Step::Checkpoint(late, rows, reset)),
        1 => Just(Step::Reopen),
    ];
    proptest::collection::vec(step, 1..70)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_shown_is_the_checkpoint_plus_what_is_pending_and_can_stand(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("db");
        let open = || {
            let conn = rusqlite::Connection::open(&file).unwrap();
            conn.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY").unwrap();
            Fixture::on(conn, SCHEMA)
        };
        let mut f = open();
        let mut model = Model::default();
        for step in steps {
            match &step {
                Step::Write(seeds) => write(&mut f, &mut model, seeds),
                Step::Decide(good) => decide(&mut f, &mut model, *good),
                Step::Checkpoint(late, rows, reset) => checkpoint(&mut f, &mut model, *late, rows, *reset),
                Step::Reopen => {
                    f.store.close().unwrap();
                    f = open();
                }
            }
            let (shown, masked) = model.view();
            prop_assert_eq!(read(&mut f), shown, "after {:?}", step);
            let blocked: BTreeSet<_> = f.store.pending().unwrap().iter().filter(|write| write.blocked).map(|write| write.id).collect();
            prop_assert_eq!(blocked, masked, "after {:?}", step);
            let kept: BTreeSet<_> = f.store.rejected().unwrap().iter().map(|write| write.id).collect();
            prop_assert_eq!(&kept, &model.rejected, "after {:?}", step);
            let counts = f.store.counts().unwrap();
            prop_assert_eq!((counts.pending, counts.blocked), (model.pending.len() as u64, f.store.pending().unwrap().iter().filter(|w| w.blocked).count() as u64));
        }
    }
}

fn statements(&(kind, key, other, word, maybe): &Seed) -> Vec<String> {
    let value = maybe.map_or("NULL".to_owned(), |n| format!("'{n}'"));
    let label = ["a", "A", "b", "B"][usize::from(word)];
    let one = match kind % 16 {
        0 => format!("INSERT INTO lists VALUES ('{key}', '{word}')"),
        1 | 2 => format!("INSERT INTO todos VALUES ('{key}', {value}, '{word}', {}, '{other}')", if other > 2 { "NULL".into() } else { format!("'{other}'") }),
        3 => format!("INSERT INTO notes VALUES ('{key}', '{other}', '{}')", word % 2),
        4 => format!("INSERT INTO tags VALUES ('{key}', '{label}', '{other}')"),
        5 => format!("UPDATE OR REPLACE lists SET name = '{word}' WHERE id = '{key}'"),
        6 | 7 => format!("UPDATE todos SET title = '{word}' WHERE id = '{key}'"),
        8 => format!("UPDATE OR REPLACE todos SET slug = {value} WHERE id = '{key}'"),
        9 => format!("UPDATE todos SET list_id = {value}, title = '{word}' WHERE id = '{key}'"),
        10 => format!("UPDATE OR REPLACE todos SET place = '{other}' WHERE id = '{key}'"),
        11 => format!("UPDATE OR REPLACE notes SET body = '{}' WHERE id = '{key}'", word % 2),
        12 => format!("UPDATE OR IGNORE tags SET label = '{label}' WHERE id = '{key}'"),
        13 => format!("DELETE FROM {} WHERE id = '{key}'", TABLES[usize::from(word)].0),
        14 => return swap_keys(key, other),
        _ => return pass_slug_on(key, other, &value),
    };
    vec![one]
}

/// Two todos exchange their keys.
fn swap_keys(a: u8, b: u8) -> Vec<String> {
    let set = |from: &str, to: &str| format!("UPDATE todos SET id = '{to}' WHERE id = '{from}'");
    vec![set(&a.to_string(), "-"), set(&b.to_string(), &a.to_string()), set("-", &b.to_string())]
}

/// One todo takes the UNIQUE value of another, which gets a new one.
fn pass_slug_on(a: u8, b: u8, value: &str) -> Vec<String> {
    vec![
        format!("INSERT INTO passing SELECT slug FROM todos WHERE id = '{a}'"),
        format!("UPDATE todos SET slug = {value} WHERE id = '{a}'"),
        format!("UPDATE todos SET slug = (SELECT slug FROM passing) WHERE id = '{b}'"),
        "DELETE FROM passing".to_owned(),
    ]
}

fn write(f: &mut Fixture, model: &mut Model, seeds: &[Seed]) {
    let statements: Vec<String> = seeds.iter().flat_map(statements).collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    let Ok(receipt) = f.try_exec(&statements) else { return };
    let (Some(id), Some(sequence)) = (receipt.id, receipt.sequence) else { return };
    let transaction = f.store.outbox(Sequence(sequence.0 - 1), 1, usize::MAX).unwrap().remove(0);
    assert_eq!(transaction.id, id);
    model.pending.push(Pending { sequence, id, seen: transaction.changes, after: transaction.after, decided: None });
}

fn decide(f: &mut Fixture, model: &mut Model, good: bool) {
    let Some(entry) = model.pending.iter_mut().find(|entry| entry.decided.is_none()) else { return };
    model.decided += 1;
    entry.decided = Some((model.decided, good));
    let position = Position(model.decided);
    let outcome = if good { Outcome::Applied { position } } else { rejected(position) };
    f.store.record(&[TransactionResult { sequence: entry.sequence, outcome }]).unwrap();
}

fn checkpoint(f: &mut Fixture, model: &mut Model, late: u64, rows: &[(Seed, bool)], reset: bool) {
    let mut base = if reset { State::new() } else { model.base.clone() };
    let mut touched = BTreeSet::new();
    for ((kind, key, other, word, maybe), there) in rows {
        let (table, _) = TABLES[usize::from(kind % 4)];
        let value = maybe.map_or("NULL".to_owned(), |n| n.to_string());
        let cells: Vec<String> = match table {
            "lists" => vec![word.to_string()],
            "todos" => vec![value.clone(), word.to_string(), if *other > 2 { "NULL".into() } else { other.to_string() }, other.to_string()],
            "notes" => vec![other.to_string(), (word % 2).to_string()],
            _ => vec![["a", "A", "b", "B"][usize::from(*word)].to_owned(), other.to_string()],
        };
        let place = (table.to_owned(), key.to_string());
        base.remove(&place);
        if *there {
            base.insert(place.clone(), cells);
        }
        touched.insert(place);
    }
    if !is_unique(&base) {
        return; // The server would not hold such tables.
    }
    model.position = model.position.max(model.decided.saturating_sub(late));
    let frames: Vec<Rows> = TABLES.iter().map(|(table, columns)| frame(table, columns, &touched, &base)).collect();
    model.base = base;
    let applied = f.checkpoint_at(model.position, &frames, reset);
    let position = model.position;
    let end = |entry: &Pending| entry.decided.filter(|(at, _)| *at <= position).map(|(_, good)| good);
    let ended = |good| -> BTreeSet<TransactionId> { model.pending.iter().filter(|entry| end(entry) == Some(good)).map(|entry| entry.id).collect() };
    assert_eq!(applied.confirmed.iter().copied().collect::<BTreeSet<_>>(), ended(true));
    assert_eq!(applied.rejected.iter().map(|write| write.id).collect::<BTreeSet<_>>(), ended(false));
    model.rejected.extend(applied.rejected.iter().map(|write| write.id));
    model.pending.retain(|entry| end(entry).is_none());
}

fn frame(table: &str, columns: &[&str], touched: &BTreeSet<(String, String)>, base: &State) -> Rows {
    let names = std::iter::once("id").chain(columns.iter().copied()).map(str::to_owned).collect();
    let mut frame = Rows { bucket: BucketId(table.into()), table: table.into(), columns: names, key: vec!["id".into()], ..Rows::default() };
    for place in touched.iter().filter(|(name, _)| name == table) {
        let key = Value::from(place.1.as_str());
        let value = |cell: &String| if cell == "NULL" { Value::Null } else { cell.as_str().into() };
        match base.get(place) {
            Some(cells) => frame.rows.push(std::iter::once(key).chain(cells.iter().map(value)).collect()),
            None => frame.gone.push(vec![key]),
        }
    }
    frame
}

impl Model {
    fn view(&self) -> (State, BTreeSet<TransactionId>) {
        let (mut state, mut masked, mut numbers) = (self.base.clone(), BTreeSet::new(), BTreeSet::new());
        for entry in &self.pending {
            let after = replayed(&state, &entry.seen).filter(|_| !entry.after.iter().any(|sequence| numbers.contains(sequence)));
            match after {
                Some(next) => state = next,
                None => {
                    masked.insert(entry.id);
                    numbers.insert(entry.sequence);
                }
            }
        }
        (state, masked)
    }
}

/// The rows after a transaction's changes, or `None` if it cannot stand.
fn replayed(state: &State, changes: &Changes) -> Option<State> {
    let mut next = state.clone();
    for group in &changes.tables {
        let columns = TABLES.iter().find(|(name, _)| *name == group.name)?.1;
        for row in &group.rows {
            let place = (group.name.clone(), text(group.key_of(row)[0]));
            if row.op == Op::Delete {
                next.remove(&place);
                continue;
            }
            let old = state.get(&place);
            if row.op == Op::Update && old.is_none() {
                return None;
            }
            let cell = |name: &str| row.new[group.columns.iter().position(|column| column == name)?].as_ref().map(text);
            let kept = |at: usize| old.map_or("NULL".to_owned(), |old| old[at].clone());
            next.insert(place, columns.iter().enumerate().map(|(at, name)| cell(name).unwrap_or_else(|| kept(at))).collect());
        }
    }
    is_unique(&next).then_some(next)
}

fn is_unique(state: &State) -> bool {
    let mut held = BTreeSet::new();
    state.iter().flat_map(|((table, _), row)| unique_values(table, row)).all(|value| held.insert(value))
}

fn unique_values(table: &str, row: &[String]) -> Vec<(&'static str, Vec<String>)> {
    let all = match table {
        "lists" => vec![("name", vec![row[0].clone()])],
        "todos" => vec![("slug", vec![row[2].clone()]), ("place", vec![row[0].clone(), row[3].clone()])],
        "notes" if row[1] == "1" => vec![("pinned", vec![row[0].clone()])],
        "tags" => vec![("label", vec![row[0].to_lowercase()])],
        _ => Vec::new(),
    };
    all.into_iter().filter(|(_, values)| !values.contains(&"NULL".to_owned())).collect()
}

fn read(f: &mut Fixture) -> State {
    let mut state = State::new();
    for (table, columns) in TABLES {
        let cells: Vec<String> = columns.iter().map(|column| format!("coalesce({column}, 'NULL')")).collect();
        for line in f.rows(&format!("SELECT id || '|' || {} FROM {table}", cells.join(" || '|' || "))) {
            let mut parts = line.split('|').map(str::to_owned);
            state.insert((table.to_owned(), parts.next().unwrap()), parts.collect());
        }
    }
    state
}
