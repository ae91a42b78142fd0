//! The one thread that writes. Requests that wait together share one database transaction, and so one
//! wait for the disk; none is answered before it is over.

use super::{
    bulletin::{Bulletin, Waiter},
    core::{Group, SqliteCore},
    error::{OpenError, StorageError},
};
use seaworthy_protocol::Position;
use std::{
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{mpsc, oneshot, watch};

/// Requests that may wait for the thread. One more is told that the server is busy.
const QUEUE: usize = 256;

/// Requests that share a database transaction.
const GROUP: usize = 64;

/// What is asked of the thread.
enum Job {
    Work(Box<dyn Work>),
    Close(oneshot::Sender<()>),
}

/// A request, with the place where its answer goes.
trait Work: Send {
    /// Answers an error only where the whole group must be given up. It may be executed again then.
    fn execute(&mut self, group: &Group<'_>, now_ms: i64) -> Result<(), StorageError>;

    /// Sends the answer. Whoever asked may be gone; it is then of no use.
    fn reply(self: Box<Self>);

    /// Says that the database failed.
    fn fail(self: Box<Self>);
}

/// What is done, what came of it, and who wants to know.
struct Request<T, F> {
    run: F,
    answer: Option<Result<T, StorageError>>,
    reply: oneshot::Sender<Result<T, StorageError>>,
}

impl<T: Send, F: Fn(&Group<'_>, i64) -> Result<T, StorageError> + Send> Work for Request<T, F> {
    fn execute(&mut self, group: &Group<'_>, now_ms: i64) -> Result<(), StorageError> {
        match (self.run)(group, now_ms) {
            // A database that fails. Every other error is a refusal, which wrote nothing.
            Err(error @ (StorageError::Sqlite(_) | StorageError::Recorded(_))) => Err(error),
            answer => {
                self.answer = Some(answer);
                Ok(())
            }
        }
    }

    fn reply(self: Box<Self>) {
        let Self { answer, reply, .. } = *self;
        let _ = reply.send(answer.unwrap_or(Err(StorageError::Failed)));
    }

    fn fail(self: Box<Self>) {
        let _ = self.reply.send(Err(StorageError::Failed));
    }
}

/// Sends requests to the thread.
#[derive(Debug)]
pub struct Writer {
    jobs: mpsc::Sender<Job>,
    head: watch::Receiver<Position>,
    bulletin: Arc<Bulletin>,
}

impl Writer {
    /// Starts the thread.
    pub fn spawn(core: SqliteCore) -> Result<Self, OpenError> {
        let start = core.head().map_err(|_| rusqlite::Error::InvalidQuery)?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (publish, head) = watch::channel(start);
        let bulletin = Arc::new(Bulletin::new(start));
        let known = bulletin.clone();
        let run = move || Thread { core, queue, publish, bulletin: known }.run();
        thread::Builder::new().name("storage-writer".to_owned()).spawn(run).map_err(OpenError::Thread)?;
        Ok(Self { jobs, head, bulletin })
    }

    /// Runs something in a database transaction, and answers once that is on disk. `run` may run again after
    /// another request of the same transaction failed.
    pub async fn ask<T: Send + 'static>(&self, run: impl Fn(&Group<'_>, i64) -> Result<T, StorageError> + Send + 'static) -> Result<T, StorageError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job::Work(Box::new(Request { run, answer: None, reply }))).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StorageError::Busy,
            mpsc::error::TrySendError::Closed(_) => StorageError::Stopping,
        })?;
        answer.await.map_err(|_| StorageError::Stopping)?
    }

    /// See [`super::Storage::head`].
    pub fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    /// See [`super::Storage::waiter`].
    pub fn waiter(&self) -> Waiter {
        self.bulletin.waiter()
    }

    /// Ends the thread once it has done what was asked before.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.jobs.send(Job::Close(reply)).await.is_ok() {
            // An error means that it has ended already.
            let _ = closed.await;
        }
    }
}

struct Thread {
    core: SqliteCore,
    queue: mpsc::Receiver<Job>,
    publish: watch::Sender<Position>,
    bulletin: Arc<Bulletin>,
}

impl Thread {
    fn run(mut self) {
        let mut closing = Vec::new();
        while let Some(first) = self.queue.blocking_recv() {
            let mut group = Vec::new();
            let mut next = Some(first);
            while let Some(job) = next.take() {
                match job {
                    Job::Work(work) => group.push(work),
                    Job::Close(reply) => {
                        closing.push(reply);
                        // What is queued is still done; nothing more gets in.
                        self.queue.close();
                    }
                }
                if group.len() < GROUP {
                    next = self.queue.try_recv().ok();
                }
            }
            self.execute(group);
        }
        // Closing the connection moves the write-ahead log into the database.
        drop(self.core);
        for reply in closing {
            let _ = reply.send(());
        }
    }

    fn execute(&mut self, mut group: Vec<Box<dyn Work>>) {
        if group.is_empty() {
            return;
        }
        match self.commit(&mut group) {
            Ok(()) => group.into_iter().for_each(|work| work.reply()),
            Err(error) if group.len() == 1 => {
                tracing::error!(%error, "a request to the database failed, nothing of it was kept");
                group.into_iter().for_each(|work| work.fail());
            }
            // One bad request must not take the others with it.
            Err(_) => group.into_iter().for_each(|work| self.execute(vec![work])),
        }
    }

    fn commit(&mut self, group: &mut [Box<dyn Work>]) -> Result<(), StorageError> {
        let now_ms = now_ms();
        let transaction = self.core.group()?;
        group.iter_mut().try_for_each(|work| work.execute(&transaction, now_ms))?;
        let (head, touched) = transaction.commit()?;
        self.bulletin.publish(head, &touched);
        self.publish.send_if_modified(|known| std::mem::replace(known, head) != head);
        Ok(())
    }
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
