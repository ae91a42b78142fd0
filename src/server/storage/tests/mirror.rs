//! What a replica holds that has only ever applied what it pulled, with its book of buckets.

use super::Bench;
use crate::storage::Interest;
use seaworthy_engine::session::{Principal, Standing};
use seaworthy_protocol::{BucketId, Checksum, Cursor, StreamState, Subscription, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Rows by table and key.
pub type Held = BTreeMap<(String, String), Vec<Value>>;

/// See the module.
#[derive(Default)]
pub struct Mirror {
    pub cursor: Option<Cursor>,
    pub subscriptions: Vec<Subscription>,
    pub streams: Vec<StreamState>,
    pub interest: Interest,
    book: BTreeMap<BucketId, Held>,
}

/// What one checkpoint was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whether it brought or took anything.
    pub is_news: bool,
    /// Whether there is more.
    pub more: bool,
}

impl Mirror {
    /// Pulls one checkpoint, in which about so many bytes join.
    pub fn pull(&mut self, server: &Bench, principal: &Principal, join_bytes: usize) -> Step {
        let standing = Standing { cursor: self.cursor, buckets: self.book.keys().cloned().collect(), subscriptions: self.subscriptions.clone() };
        let read = server.core.pull_within(principal, &standing, &[], join_bytes).unwrap();
        self.interest = read.interest;
        let (rows, checkpoint) = (read.pulled.rows, read.pulled.checkpoint);
        assert_eq!(checkpoint.partial, read.pulled.more);
        let streams = checkpoint.streams.unwrap();
        let is_news = checkpoint.reset || !rows.is_empty() || !checkpoint.buckets.is_empty() || streams != self.streams;
        if checkpoint.reset {
            self.book.clear();
        }
        for update in checkpoint.buckets.iter().filter(|update| update.joined) {
            assert!(self.book.insert(update.bucket.clone(), Held::new()).is_none(), "{:?} joins twice", update.bucket);
        }
        for frame in rows {
            assert!(checkpoint.buckets.iter().any(|update| update.bucket == frame.bucket), "{:?} is not updated", frame.bucket);
            let held = self.book.get_mut(&frame.bucket).expect("rows of a bucket that is held");
            let key_at: Vec<usize> = frame.key.iter().map(|name| frame.columns.iter().position(|column| column == name).unwrap()).collect();
            for key in frame.gone {
                held.remove(&(frame.table.clone(), format!("{key:?}")));
            }
            for row in frame.rows {
                let key: Vec<Value> = key_at.iter().map(|at| row[*at].clone()).collect();
                held.insert((frame.table.clone(), format!("{key:?}")), row);
            }
        }
        for update in &checkpoint.buckets {
            let held = &self.book[&update.bucket];
            let sum = held.values().fold(Checksum::default(), |sum, row| sum.plus(Checksum::of_row(row)));
            assert_eq!((held.len() as u64, sum.0), (update.rows, update.checksum), "{:?}", update.bucket);
        }
        let wanted: BTreeSet<&BucketId> = streams.iter().flat_map(|state| &state.buckets).collect();
        self.book.retain(|bucket, _| wanted.contains(bucket));
        assert!(read.pulled.more || self.book.len() == wanted.len(), "a bucket is missing");
        (self.cursor, self.streams) = (Some(checkpoint.cursor), streams);
        Step { is_news, more: read.pulled.more }
    }

    /// Pulls until there is no more.
    pub fn catch_up(&mut self, server: &Bench, principal: &Principal) {
        while self.pull(server, principal, usize::MAX).more {}
    }

    /// All rows. The same row is the same in all of its buckets.
    pub fn rows(&self) -> Held {
        let mut all = Held::new();
        for (key, row) in self.book.values().flatten() {
            let before = all.insert(key.clone(), row.clone());
            assert!(before.is_none_or(|before| before == *row), "{key:?} differs between buckets");
        }
        all
    }

    /// What the rows of a table have in their first column.
    pub fn first_cells(&self, table: &str) -> Vec<String> {
        let rows = self.rows();
        let text = |row: &Vec<Value>| if let Value::Text(text) = &row[0] { text.clone() } else { format!("{:?}", row[0]) };
        rows.iter().filter(|((of, _), _)| of == table).map(|(_, row)| text(row)).collect()
    }
}
