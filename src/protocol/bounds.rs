//! What a decoded frame must satisfy beyond its types, so that nobody behind the codec asks again.
//!
//! Only what one frame can say about itself is judged here. Whether it may come now, and whether its
//! sender may do it, is for the engine and the server.

use crate::{
    BucketId, Checkpoint, ClientFrame, DecodeError, Outcome, Push, Results, Rows, Sequence, ServerFrame, StreamState, Subscription, Transaction, TransactionId,
    Value, changeset, fingerprint, limits,
};
use std::collections::{BTreeMap, HashSet};

pub(crate) fn check_client(frame: &ClientFrame) -> Result<(), DecodeError> {
    match frame {
        ClientFrame::Hello(hello) => {
            check_token(&hello.token)?;
            check_doubtful(&hello.doubtful)?;
            check_standing(&hello.subscriptions, &hello.buckets)
        }
        ClientFrame::Subscribe(subscribe) => check_standing(&subscribe.subscriptions, &[]),
        ClientFrame::Token(renewal) => check_token(&renewal.token),
        ClientFrame::Push(push) => check_push(push),
        ClientFrame::Pull(pull) => check_doubtful(&pull.doubtful).and_then(|()| check_standing(&pull.subscriptions, &pull.buckets)),
        ClientFrame::Ping(_) => Ok(()),
    }
}

pub(crate) fn check_server(frame: &ServerFrame) -> Result<(), DecodeError> {
    match frame {
        ServerFrame::Results(results) => check_results(results),
        ServerFrame::Rows(rows) => check_rows(rows),
        ServerFrame::Checkpoint(checkpoint) => check_checkpoint(checkpoint),
        ServerFrame::Welcome(_) | ServerFrame::Error(_) | ServerFrame::Pong(_) => Ok(()),
    }
}

fn at_most(what: &'static str, found: usize, limit: usize) -> Result<(), DecodeError> {
    if found > limit { Err(DecodeError::TooMany { what, found, limit }) } else { Ok(()) }
}

fn check_token(token: &str) -> Result<(), DecodeError> {
    at_most("bytes of token", token.len(), limits::MAX_TOKEN_BYTES)
}

fn check_doubtful(ids: &[TransactionId]) -> Result<(), DecodeError> {
    at_most("doubtful transactions", ids.len(), limits::MAX_DOUBTFUL)
}

fn check_standing(subscriptions: &[Subscription], buckets: &[BucketId]) -> Result<(), DecodeError> {
    at_most("subscriptions", subscriptions.len(), limits::MAX_SUBSCRIPTIONS)?;
    subscriptions.iter().try_for_each(|subscription| check_subscription(&subscription.stream, &subscription.params))?;
    check_buckets(buckets.iter())
}

fn check_subscription(stream: &str, params: &BTreeMap<String, Value>) -> Result<(), DecodeError> {
    at_most("bytes in the name of a stream", stream.len(), limits::MAX_NAME_BYTES)?;
    at_most("parameters of a stream", params.len(), limits::MAX_PARAMS)?;
    at_most("bytes of parameters", params.iter().map(|(name, value)| name.len() + value.wire_size()).sum(), limits::MAX_BUCKET_BYTES)
}

fn check_buckets<'a>(buckets: impl ExactSizeIterator<Item = &'a BucketId>) -> Result<(), DecodeError> {
    at_most("buckets", buckets.len(), limits::MAX_BUCKETS)?;
    let longest = buckets.map(|bucket| bucket.0.len()).max().unwrap_or_default();
    at_most("bytes in a bucket id", longest, limits::MAX_BUCKET_BYTES)
}

fn check_checkpoint(checkpoint: &Checkpoint) -> Result<(), DecodeError> {
    check_doubtful(checkpoint.known.as_deref().unwrap_or_default())?;
    check_buckets(checkpoint.buckets.iter().map(|update| &update.bucket))?;
    checkpoint.streams.iter().flatten().try_for_each(|state: &StreamState| check_buckets(state.buckets.iter()))
}

fn check_push(push: &Push) -> Result<(), DecodeError> {
    at_most("transactions in one push", push.transactions.len(), limits::MAX_PUSH_TRANSACTIONS)?;
    for pair in push.transactions.windows(2) {
        if pair[1].sequence != pair[0].sequence.next() {
            return Err(bad(&pair[1], "sequences in one push are consecutive"));
        }
    }
    push.transactions.iter().try_for_each(check_transaction)
}

fn check_transaction(transaction: &Transaction) -> Result<(), DecodeError> {
    at_most("sequences in `after`", transaction.after.len(), limits::MAX_AFTER)?;
    if transaction.sequence < Sequence(1) {
        return Err(bad(transaction, "the first sequence is 1"));
    }
    if transaction.after.iter().any(|earlier| *earlier >= transaction.sequence) {
        return Err(bad(transaction, "`after` names earlier transactions only"));
    }
    if fingerprint::names_a_row_twice(&transaction.changes) {
        return Err(bad(transaction, "a transaction names a row once: say only what was before it and what is after it"));
    }
    Ok(())
}

fn bad(transaction: &Transaction, reason: &'static str) -> DecodeError {
    DecodeError::BadTransaction { sequence: transaction.sequence.0, reason }
}

fn check_results(results: &Results) -> Result<(), DecodeError> {
    at_most("results", results.results.len(), limits::MAX_PUSH_TRANSACTIONS)?;
    results.results.iter().try_for_each(|result| match &result.outcome {
        Outcome::Rejected { data: Some(data), .. } => at_most("conflicts", data.conflicts.len(), limits::MAX_CONFLICTS),
        _ => Ok(()),
    })
}

fn check_rows(rows: &Rows) -> Result<(), DecodeError> {
    let bad = |reason| Err(DecodeError::BadRows { table: rows.table.chars().take(limits::MAX_NAME_BYTES).collect(), reason });
    at_most("columns", rows.columns.len(), limits::MAX_COLUMNS)?;
    check_buckets([&rows.bucket].into_iter())?;
    if !changeset::is_name(&rows.table) || !rows.columns.iter().all(|column| changeset::is_name(column)) {
        return bad("a name is empty, holds NUL, or is too long");
    }
    let columns: HashSet<&String> = rows.columns.iter().collect();
    let key: HashSet<&String> = rows.key.iter().collect();
    if columns.len() != rows.columns.len() || key.len() != rows.key.len() {
        return bad("a column is named twice");
    }
    if key.is_empty() || !key.is_subset(&columns) {
        return bad("the key is some of the columns");
    }
    if rows.rows.iter().any(|row| row.len() != rows.columns.len()) {
        return bad("a row has a value for every column");
    }
    if rows.gone.iter().any(|row| row.len() != rows.key.len()) {
        return bad("a row that is gone has a value for every column of the key");
    }
    Ok(())
}
