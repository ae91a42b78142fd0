//! Write handlers: the application's own say about a write, before anything of it is in the database.
//!
//! A handler is code of the application, in this process ([`WriteHandler`]) or behind HTTP
//! ([`WebhookHandler`]). It is shown a whole transaction of a client beside the server's rows, and accepts it,
//! rejects it with a reason, or rewrites cells. It is asked outside any database transaction and without a lock,
//! perhaps several times about one transaction, so it must have no side effects: those belong to what follows a
//! commit ([`crate::webhook`]). Rules and constraints apply to what it lets through as they do to everything.
//!
//! A handler that fails decides nothing: the transaction stays in the client's queue, and so does what is behind it.

mod proposal;
mod verdict;
mod webhook;

pub use proposal::{ProposedChange, ProposedWrite, Writer};
pub use verdict::{Nonsense, RewrittenCells, Verdict};
pub use webhook::{WebhookError, WebhookHandler};

use crate::storage::{Ruling, Shown};
use backon::BackoffBuilder;
use futures_util::future::BoxFuture;
use seaworthy_engine::session::Principal;
use seaworthy_protocol::{Changes, ReplicaId, Transaction};
use std::{
    collections::BTreeMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout_at},
};

/// Calls of one handler that may be under way at the same time. More wait for one of them.
const MAX_CALLS: usize = 64;

/// After a first failure a client is asked to wait this long, and twice as long after each further one,
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// but never longer than this. Jitter adds up to as much.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Why a handler said nothing. It is logged; the client only learns that it shall try again.
pub type HandlerError = Box<dyn Error + Send + Sync>;

/// The application's say about writes. See the module.
///
/// ```
/// use futures_util::future::BoxFuture;
/// use seaworthy_protocol::Op;
/// use seaworthy_server::handler::{HandlerError, ProposedWrite, Verdict, WriteHandler};
///
/// /// Nobody deletes an order.
/// struct KeepOrders;
///
/// impl WriteHandler for KeepOrders {
///     fn judge<'a>(&'a self, write: &'a ProposedWrite) -> BoxFuture<'a, Result<Verdict, HandlerError>> {
///         Box::pin(async move {
///             let deletes = write.changes.iter().any(|change| change.table == "orders" && change.op == Op::Delete);
///             Ok(match deletes {
///                 true => Verdict::Reject { code: Some("kept".to_owned()), message: "Cancel the order instead.".to_owned() },
///                 false => Verdict::Accept,
///             })
///         })
///     }
/// }
/// ```
pub trait WriteHandler: Send + Sync + 'static {
    /// Judges a transaction. Asked again for the same one ([`ProposedWrite::transaction`]) it should say the same, as long
    /// as it is shown the same rows. An error means that it cannot say: the client tries again later.
    fn judge<'a>(&'a self, write: &'a ProposedWrite) -> BoxFuture<'a, Result<Verdict, HandlerError>>;
}

/// Which handler is asked about which table.
#[derive(Default)]
pub struct Handlers(BTreeMap<String, Arc<Registered>>);

struct Registered {
    handler: Box<dyn WriteHandler>,
    calls: Semaphore,
    /// How often in a row it said nothing.
    failures: AtomicU32,
}

/// Handlers that said nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unheard {
    /// When to ask again.
    pub retry_after: Duration,
}

impl Handlers {
    /// Asks `handler` about every transaction that touches one of `tables`. A table has one handler: a former one is replaced.
    pub fn register<T: Into<String>>(&mut self, tables: impl IntoIterator<Item = T>, handler: impl WriteHandler) {
        let registered = Arc::new(Registered { handler: Box::new(handler), calls: Semaphore::new(MAX_CALLS), failures: AtomicU32::new(0) });
        self.0.extend(tables.into_iter().map(|table| (table.into(), registered.clone())));
    }

    /// The tables that have one.
    pub fn tables(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether a transaction has a handler.
    pub fn concern(&self, changes: &Changes) -> bool {
        !self.0.is_empty() && changes.tables.iter().any(|table| self.0.contains_key(&table.name))
    }

    /// Asks every handler of a transaction, the one of the first table first, until one rejects it.
    pub async fn ask(&self, principal: &Principal, replica: ReplicaId, transaction: &Transaction, shown: Shown, deadline: Instant) -> Result<Ruling, Unheard> {
        let write = ProposedWrite::new(principal, replica, transaction, &shown);
        let mut ruling = Ruling { shown, ..Ruling::default() };
        let mut asked: Vec<&Arc<Registered>> = Vec::new();
        for registered in transaction.changes.tables.iter().filter_map(|table| self.0.get(&table.name)) {
            if asked.iter().any(|other| Arc::ptr_eq(other, registered)) {
                continue;
            }
            asked.push(registered);
            let is_theirs = |table: &str| self.0.get(table).is_some_and(|other| Arc::ptr_eq(other, registered));
            let verdict = registered.judge(&write, deadline).await.and_then(|verdict| Ok(verdict.rule(&write, is_theirs, &mut ruling)?));
            match verdict {
                Ok(()) => registered.failures.store(0, Ordering::Relaxed),
                Err(error) => {
                    let retry_after = registered.fail();
                    tracing::warn!(%error, transaction = %transaction.id, ?retry_after, "a write handler did not decide; the client is to try again");
                    return Err(Unheard { retry_after });
                }
            }
            if ruling.refusal.is_some() {
                break;
            }
        }
        Ok(ruling)
    }
}

/// Why a handler was not heard in time.
#[derive(Debug, thiserror::Error)]
#[error("it did not answer in time")]
struct TooLate;

impl Registered {
    async fn judge(&self, write: &ProposedWrite, deadline: Instant) -> Result<Verdict, HandlerError> {
        let call = async {
            let _permit = self.calls.acquire().await?;
            self.handler.judge(write).await
        };
        timeout_at(deadline, call).await.map_err(|_| TooLate)?
    }

    /// Counts a failure. Answers how long to wait.
    fn fail(&self) -> Duration {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed);
        let waits = backon::ExponentialBuilder::default().with_min_delay(FIRST_WAIT).with_max_delay(LONGEST_WAIT).with_jitter().without_max_times().build();
        // The longest is reached long before.
        waits.into_iter().nth(failures.min(16) as usize).unwrap_or(LONGEST_WAIT)
    }
}
