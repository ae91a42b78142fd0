//! Takes a push to storage, and before that to the write handlers of its transactions.
//!
//! Transactions without a handler go to storage together, as they came. One with a handler goes alone: its
//! rows are read, the handler is asked with no database transaction open and no lock held, and storage decides
//! by the answer unless the rows have changed meanwhile; then it is asked again. The order of the replica holds:
//! nothing behind a transaction that waits for its handler is looked at.

use crate::{
    handler::{Handlers, Unheard},
    storage::{Storage, StorageError, shown_bytes_of},
};
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Outcome, Push, ReplicaId, Sequence, Transaction, TransactionResult, limits};
use std::{collections::VecDeque, sync::Arc, time::Duration};
use tokio::{sync::watch, time::Instant};

#[cfg(test)]
mod tests;

/// How often handlers are asked about a transaction whose rows change while they think.
const MAX_HEARINGS: u32 = 3;

/// How long the handlers of one transaction may take, all attempts and pauses included.
const PATIENCE: Duration = Duration::from_secs(25);

/// After this time no further handler is asked for the same push: what is left comes again. With [`PATIENCE`] it
/// stays below the time after which a client gives up an answer.
const PUSH_BUDGET: Duration = Duration::from_secs(20);

/// When to try again a transaction whose rows do not come to rest.
const RESTLESS_RETRY: Duration = Duration::from_secs(1);

/// Where a push is decided.
pub struct Deciders<'a> {
    /// What decides in the end.
    pub storage: &'a dyn Storage,
    /// The application's say.
    pub handlers: &'a Handlers,
    /// Turns true when nobody may be waited for any more.
    pub stop: watch::Receiver<bool>,
}

/// Decides a push. The results are those of its first transactions, at least one; what they leave out was not looked at.
pub async fn decide(deciders: &mut Deciders<'_>, principal: Principal, push: Push) -> Result<Vec<TransactionResult>, StorageError> {
    let &mut Deciders { storage, handlers, .. } = deciders;
    if !push.transactions.iter().any(|transaction| handlers.concern(&transaction.changes)) {
        return storage.decide(principal, push).await;
    }
    let give_up = Instant::now() + PUSH_BUDGET;
    let replica = push.replica;
    let mut results = Vec::with_capacity(push.transactions.len());
    let mut rest = VecDeque::from(push.transactions);
    while let Some(step) = next_step(&mut rest, handlers) {
        let (expected, decided) = match step {
            Step::Plain(transactions) => (transactions.len(), storage.decide(principal.clone(), Push { replica, transactions }).await),
            Step::Handled(_) if !results.is_empty() && Instant::now() > give_up => break,
            Step::Handled(transaction) => (1, handled(deciders, &principal, replica, transaction).await),
        };
        match decided {
            Ok(decided) => {
                let is_whole = decided.len() == expected;
                results.extend(decided);
                if !is_whole || ends(&results) {
                    break;
                }
            }
            Err(error) if results.is_empty() => return Err(error),
            // What is decided is on disk, and is answered. The rest comes again.
            Err(error) => {
                tracing::warn!(%error, "a push was decided in part");
                break;
            }
        }
    }
    Ok(results)
}

/// What goes to storage in one piece.
enum Step {
    Plain(Vec<Transaction>),
    Handled(Transaction),
}

fn next_step(rest: &mut VecDeque<Transaction>, handlers: &Handlers) -> Option<Step> {
    let plain = rest.iter().take_while(|transaction| !handlers.concern(&transaction.changes)).count();
    if plain > 0 { Some(Step::Plain(rest.drain(..plain).collect())) } else { rest.pop_front().map(Step::Handled) }
}

/// Whether nothing more may be decided for this answer.
fn ends(results: &[TransactionResult]) -> bool {
    let shown: usize = results.iter().map(|result| shown_bytes_of(&result.outcome)).sum();
    shown > limits::TARGET_RESULTS_BYTES || results.last().is_some_and(|result| result.outcome.ends_batch())
}

async fn handled(
    deciders: &mut Deciders<'_>,
    principal: &Principal,
    replica: ReplicaId,
    transaction: Transaction,
) -> Result<Vec<TransactionResult>, StorageError> {
    let Deciders { storage, handlers, stop } = deciders;
    let deadline = Instant::now() + PATIENCE;
    let sequence = transaction.sequence;
    let transaction = Arc::new(transaction);
    for _ in 0..MAX_HEARINGS {
        let ruling = match storage.show(principal.clone(), replica, transaction.clone()).await? {
            None => None,
            Some(shown) => {
                let asked = tokio::select! {
                    asked = handlers.ask(principal, replica, &transaction, shown, deadline) => asked,
                    Ok(_) = stop.wait_for(|stop| *stop) => return Err(StorageError::Stopping),
                };
                match asked {
                    Ok(ruling) => Some(ruling),
                    Err(Unheard { retry_after }) => return Ok(retry_later(sequence, retry_after, "the application's write handler does not answer")),
                }
            }
        };
        let push = Push { replica, transactions: vec![transaction.as_ref().clone()] };
        match storage.settle(principal.clone(), push, ruling).await {
            Err(StorageError::Moved) => {}
            settled => return settled,
        }
    }
    Ok(retry_later(sequence, RESTLESS_RETRY, "the rows of this transaction keep changing"))
}

fn retry_later(sequence: Sequence, after: Duration, message: &str) -> Vec<TransactionResult> {
    let retry_after_ms = u64::try_from(after.as_millis()).unwrap_or(limits::MAX_COUNTER);
    vec![TransactionResult { sequence, outcome: Outcome::RetryLater { retry_after_ms, message: message.to_owned() } }]
}
