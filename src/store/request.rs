//! Requests and their answers. A request that is sent again, because its worker was killed or another
//! tab took over, finds its answer here and is not run twice.

use crate::StoreError;
use rusqlite::{Connection, OptionalExtension, params};
use seaworthy_protocol::{Sequence, TransactionId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Answers beyond this many bytes are kept without their rows.
const KEPT_BUFFER_BYTES: usize = 1024 * 1024;

/// What the application gets for a committed write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The transaction; absent when nothing synced changed.
    pub id: Option<TransactionId>,
    /// Its number in the replica.
    pub sequence: Option<Sequence>,
    /// How many rows the statements changed, local ones included.
    pub changes: u64,
}

/// The answer of an earlier run of this request, if it was committed.
pub(crate) fn find(conn: &Connection, request: &str) -> Result<Option<(Receipt, Vec<u8>)>, StoreError> {
    const SQL: &str = "SELECT receipt, buffer FROM seaworthy_requests WHERE request = ?1";
    let found = conn.prepare_cached(SQL)?.query_row([request], |row| Ok((row.get::<_, String>(0)?, row.get(1)?))).optional()?;
    found.map(|(receipt, buffer)| Ok((parse(&receipt)?, buffer))).transpose()
}

/// Keeps an answer, in the transaction of its write.
pub(crate) fn keep(conn: &Connection, request: &str, receipt: &Receipt, buffer: &[u8]) -> Result<(), StoreError> {
    const SQL: &str = "INSERT OR REPLACE INTO seaworthy_requests (request, receipt, buffer) VALUES (?1, ?2, ?3)";
    let buffer = if buffer.len() > KEPT_BUFFER_BYTES { &[] } else { buffer };
    let text = serde_json::to_string(receipt).map_err(|e| StoreError::Corrupt { message: e.to_string() })?;
    conn.prepare_cached(SQL)?.execute(params![request, text, buffer])?;
    Ok(())
}

/// Drops answers that the page has received.
pub(crate) fn forget(conn: &Connection, requests: &[String]) -> Result<(), StoreError> {
    const SQL: &str = "DELETE FROM seaworthy_requests WHERE request = ?1";
    let mut statement = conn.prepare_cached(SQL)?;
    requests.iter().try_for_each(|request| statement.execute([request]).map(drop))?;
    Ok(())
}

/// The pages to whose requests answers are kept: the id of a request is its page's, a dot and a number.
pub(crate) fn pages(conn: &Connection) -> Result<BTreeSet<String>, StoreError> {
    Ok(requests(conn)?.iter().map(|request| page_of(request).to_owned()).collect())
}

/// The requests of these pages.
pub(crate) fn of_pages(conn: &Connection, pages: &[String]) -> Result<Vec<String>, StoreError> {
    let mut requests = requests(conn)?;
    requests.retain(|request| pages.iter().any(|page| page == page_of(request)));
    Ok(requests)
}

fn requests(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT request FROM seaworthy_requests")?;
    let requests = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(requests)
}

fn page_of(request: &str) -> &str {
    request.split_once('.').map_or(request, |(page, _)| page)
}

fn parse(text: &str) -> Result<Receipt, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt { message: format!("seaworthy_requests: {e}") })
}
