//! The one thread that writes. Requests that wait together share one database transaction, and so one
//! wait for the disk; none is answered before it is over.

use super::{
    core::{Group, SqliteCore},
    error::{OpenError, StorageError},
};
use seaworthy_engine::{
    client::User,
    session::{Admission, Principal},
};
use seaworthy_protocol::{Position, Push, ReplicaId, TransactionResult};
use std::{
    thread,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that may wait for the thread. One more is told that the server is busy.
const QUEUE: usize = 256;

/// Requests that share a database transaction.
const GROUP: usize = 64;

/// Where a request's answer goes.
type Reply<T> = oneshot::Sender<Result<T, StorageError>>;

enum Job {
    Admit { user: User, replica: ReplicaId, reply: Reply<Admission> },
    Decide { principal: Principal, push: Push, reply: Reply<Vec<TransactionResult>> },
    Check { reply: Reply<()> },
    Close { reply: oneshot::Sender<()> },
}

enum Answer {
    Admit(Result<Admission, StorageError>),
    Decide(Result<Vec<TransactionResult>, StorageError>),
    Check,
    Nothing,
}

/// Sends requests to the thread.
#[derive(Debug)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    head: watch::Receiver<Position>,
}

impl Writer {
    /// Starts the thread.
    pub fn spawn(core: SqliteCore) -> Result<Self, OpenError> {
        let start = core.head().map_err(|_| rusqlite::Error::InvalidQuery)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (publish, head) = watch::channel(start);
        let run = move || Thread { core, queue, publish }.run();
        thread::Builder::new().name("storage-writer".to_owned()).spawn(run).map_err(OpenError::Thread)?;
        Ok(Self { jobs, head })
    }

    /// See [`super::Storage::admit`].
    pub async fn admit(&self, user: User, replica: ReplicaId) -> Result<Admission, StorageError> {
        self.ask(|reply| Job::Admit { user, replica, reply }).await
    }

    /// See [`super::Storage::decide`].
    pub async fn decide(&self, principal: Principal, push: Push) -> Result<Vec<TransactionResult>, StorageError> {
        self.ask(|reply| Job::Decide { principal, push, reply }).await
    }

    /// See [`super::Storage::check`].
    pub async fn check(&self) -> Result<(), StorageError> {
        self.ask(|reply| Job::Check { reply }).await
    }

    /// See [`super::Storage::head`].
    pub fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    /// Ends the thread once it has done what was asked before.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.jobs.send(Job::Close { reply }).await.is_ok() {
            // An error means that it has ended already.
            let _ = closed.await;
        }
    }

    async fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(job(reply)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StorageError::Busy,
            mpsc::error::TrySendError::Closed(_) => StorageError::Stopping,
        })?;
        answer.await.map_err(|_| StorageError::Stopping)?
    }
}

struct Thread {
    core: SqliteCore,
    queue: mpsc::Receiver<Job>,
    publish: watch::Sender<Position>,
}

impl Thread {
    fn run(mut self) {
        let mut closing = Vec::new();
        while let Some(first) = self.queue.blocking_recv() {
            let mut group = vec![first];
            while group.len() < GROUP
                && let Ok(job) = self.queue.try_recv()
            {
                group.push(job);
            }
            let (close, group): (Vec<_>, Vec<_>) = group.into_iter().partition(|job| matches!(job, Job::Close { .. }));
            self.execute(group);
            if !close.is_empty() {
                closing.extend(close);
                // What is queued is still done; nothing more gets in.
                self.queue.close();
            }
        }
        // Closing the connection moves the write-ahead log into the database.
        drop(self.core);
        for job in closing {
            if let Job::Close { reply } = job {
                let _ = reply.send(());
            }
        }
    }

    fn execute(&mut self, group: Vec<Job>) {
        if group.is_empty() {
            return;
        }
        match self.commit(&group) {
            Ok(answers) => group.into_iter().zip(answers).for_each(|(job, answer)| job.reply(answer)),
            Err(error) if group.len() == 1 => {
                tracing::error!(%error, "a request to the database failed, nothing of it was kept");
                group.into_iter().for_each(Job::fail);
            }
            // One bad request must not take the others with it.
            Err(_) => group.into_iter().for_each(|job| self.execute(vec![job])),
        }
    }

    fn commit(&mut self, group: &[Job]) -> Result<Vec<Answer>, StorageError> {
        let now_ms = now_ms();
        let transaction = self.core.group()?;
        let answers = group.iter().map(|job| job.execute(&transaction, now_ms)).collect::<Result<_, _>>()?;
        let head = transaction.commit()?;
        self.publish.send_if_modified(|known| std::mem::replace(known, head) != head);
        Ok(answers)
    }
}

impl Job {
    /// Answers an error only where the whole group must be given up.
    fn execute(&self, group: &Group<'_>, now_ms: i64) -> Result<Answer, StorageError> {
        Ok(match self {
            Self::Admit { user, replica, .. } => Answer::Admit(keep(group.admit(user, *replica, now_ms))?),
            Self::Decide { principal, push, .. } => Answer::Decide(keep(group.decide(principal, push, now_ms))?),
            Self::Check { .. } => Answer::Check,
            Self::Close { .. } => Answer::Nothing,
        })
    }

    // Whoever asked may be gone; the answer is then of no use.
    fn reply(self, answer: Answer) {
        match (self, answer) {
            (Self::Admit { reply, .. }, Answer::Admit(answer)) => drop(reply.send(answer)),
            (Self::Decide { reply, .. }, Answer::Decide(answer)) => drop(reply.send(answer)),
            (Self::Check { reply }, Answer::Check) => drop(reply.send(Ok(()))),
            _ => {}
        }
    }

    fn fail(self) {
        match self {
            Self::Admit { reply, .. } => drop(reply.send(Err(StorageError::Failed))),
            Self::Decide { reply, .. } => drop(reply.send(Err(StorageError::Failed))),
            Self::Check { reply } => drop(reply.send(Err(StorageError::Failed))),
            Self::Close { .. } => {}
        }
    }
}

/// Separates a refusal, which wrote nothing, from a database that fails.
fn keep<T>(result: Result<T, StorageError>) -> Result<Result<T, StorageError>, StorageError> {
    match result {
        Err(error @ (StorageError::Sqlite(_) | StorageError::Recorded(_))) => Err(error),
        other => Ok(other),
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
