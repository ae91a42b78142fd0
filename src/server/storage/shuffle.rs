//! Rows whose UNIQUE values go round in a circle, such as two that swap them.
//!
//! SQLite checks UNIQUE row by row, so no order of updates gets there. All rows of the circle are
//! taken out and put back whole, with foreign keys looking away meanwhile: a parent that is put back
//! must not take its children along. Afterwards the foreign keys are counted.

use super::{
    apply::{Effect, Failure, Progress, judge},
    binding::{Bound, quoted, quoted_list, values},
    change::{Change, Rejection},
    foreign_key,
    stream::{Standing, Stream},
};
use rusqlite::{Connection, OptionalExtension, config::DbConfig, params_from_iter};
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Op, RejectCode, Value};

/// A row that was taken out.
struct Taken<'c, 's> {
    change: &'c Change<'s>,
    rowid: Option<i64>,
    cells: Vec<Value>,
}

/// Moves the stuck updates round. Answers the changes that this cannot help.
pub fn shuffle<'c, 's>(conn: &Connection, principal: &Principal, stuck: Vec<&'c Change<'s>>, progress: &mut Progress<'c, 's>) -> Result<Vec<&'c Change<'s>>, Failure> {
    let mut circle = Vec::new();
    let mut others = Vec::new();
    for change in stuck {
        match (change.op, change.stream.standing(conn, principal, &change.key)?) {
            (Op::Insert | Op::Update, Standing::Own) => circle.push(change),
            (Op::Update, _) => progress.dropped.add(change),
            _ => others.push(change),
        }
    }
    let before = foreign_key::count_violations(conn)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, false)?;
    let moved = move_round(conn, &circle);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FKEY, true)?;
    moved?;
    progress.done.extend(circle);
    if foreign_key::count_violations(conn)? > before {
        return Err(Rejection::new(RejectCode::ForeignKey, "a row would refer to one that does not exist on the server").into());
    }
    Ok(others)
}

fn move_round(conn: &Connection, circle: &[&Change<'_>]) -> Result<(), Failure> {
    let mut taken = Vec::with_capacity(circle.len());
    for change in circle {
        taken.extend(take_out(conn, change)?);
    }
    for row in &taken {
        if let Err(error) = put_back(conn, row)
            && let Effect::Blocked(rejection) = judge(error, row.change)?
        {
            return Err(rejection.into());
        }
    }
    Ok(())
}

fn take_out<'c, 's>(conn: &Connection, change: &'c Change<'s>) -> rusqlite::Result<Option<Taken<'c, 's>>> {
    let stream = change.stream;
    let (table, condition) = (quoted(&stream.name), &stream.sql.key_condition);
    let rowid = rowid_name(stream);
    let select = format!("SELECT {}, {} FROM {table} WHERE {condition}", rowid.unwrap_or("NULL"), quoted_list(&stream.recorded));
    let key = || params_from_iter(change.key.iter().map(Bound));
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, values(row, 1, stream.recorded.len())?));
    let Some((rowid, mut cells)) = conn.prepare_cached(&select)?.query_row(key(), row).optional()? else { return Ok(None) };
    conn.prepare_cached(&format!("DELETE FROM {table} WHERE {condition}"))?.execute(key())?;
    for (name, value) in &change.cells {
        if let Some(at) = stream.recorded.iter().position(|column| column == name) {
            cells[at] = value.clone();
        }
    }
    Ok(Some(Taken { change, rowid, cells }))
}

fn put_back(conn: &Connection, row: &Taken<'_, '_>) -> rusqlite::Result<()> {
    let stream = row.change.stream;
    let mut columns = quoted_list(&stream.recorded);
    let mut cells: Vec<&Value> = row.cells.iter().collect();
    let rowid = row.rowid.map(Value::Integer);
    if let (Some(name), Some(rowid)) = (rowid_name(stream), &rowid) {
        columns = format!("{columns}, {name}");
        cells.push(rowid);
    }
    let places = vec!["?"; cells.len()].join(", ");
    let sql = format!("INSERT OR ABORT INTO {} ({columns}) VALUES ({places})", quoted(&stream.name));
    conn.prepare_cached(&sql)?.execute(params_from_iter(cells.into_iter().map(Bound)))?;
    Ok(())
}

/// A name for the hidden rowid that no column hides. Full-text indexes may refer to it, so it is kept.
fn rowid_name(stream: &Stream) -> Option<&'static str> {
    let is_hidden = |name: &&str| !stream.recorded.iter().any(|column| column.eq_ignore_ascii_case(name));
    ["rowid", "oid", "_rowid_"].into_iter().find(is_hidden).filter(|_| stream.has_rowid)
}
