//! Rows on their way to a checkpoint. None is applied before its checkpoint has come.

use super::storage::Work;
use super::timing::MAX_COLLECTED_BYTES;
use super::{Client, Output, Source, StatusError};
use crate::Millis;
use seaworthy_protocol::{Checkpoint, Rows, Value};

#[derive(Debug, Default)]
pub(super) struct Collected {
    rows: Vec<Rows>,
    bytes: usize,
    /// Whether a checkpoint of this connection was applied, so that the cursor is of the server's present history.
    pub(super) synced: bool,
}

impl Collected {
    /// Rows whose checkpoint did not come.
    pub(super) fn forget_rows(&mut self) {
        (self.rows, self.bytes) = (Vec::new(), 0);
    }

    /// Forgets everything that belongs to the connection.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Client {
    pub(super) fn collect(&mut self, now: Millis, rows: Rows) {
        self.collected.bytes += wire_size(&rows);
        if self.collected.bytes > MAX_COLLECTED_BYTES {
            return self.lose(now, StatusError::too_large(), 0);
        }
        self.collected.rows.push(rows);
    }

    pub(super) fn reach(&mut self, now: Millis, source: Source, checkpoint: Checkpoint) {
        let back = self.replica.cursor.is_some_and(|cursor| checkpoint.cursor.position < cursor.position);
        if back && !checkpoint.reset {
            return self.violated(now, source);
        }
        let rows = std::mem::take(&mut self.collected.rows);
        self.collected.forget_rows();
        self.ask_storage(Work::Apply, Output::Apply { rows, checkpoint });
    }
}

fn wire_size(rows: &Rows) -> usize {
    let names = rows.table.len() + rows.columns.iter().map(String::len).sum::<usize>();
    let values: usize = rows.rows.iter().chain(&rows.gone).flatten().map(Value::wire_size).sum();
    names + values
}
