//! The embedded SQLite database behind [`Storage`]: one thread writes, a few connections read.

use super::{
    Storage,
    bulletin::Waiter,
    core::{Fresh, Location, Run, Served, SqliteCore},
    deliveries::{self, LogPart},
    error::{OpenError, StorageError},
    hearing::{self, Ruling, Shown},
    migration::Migration,
    pull::{self, Asked, Read},
    replica, start,
    stream::Streams,
    writer::Writer,
};
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use seaworthy_engine::{
    client::User,
    session::{Admission, Principal, Standing},
};
use seaworthy_protocol::{Epoch, Incarnation, Position, Push, ReplicaId, Transaction, TransactionId, TransactionResult};
use std::{
    collections::BTreeMap,
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
};

/// Connections that read at the same time. More requests wait for one.
const READERS: usize = 4;

/// See the module.
#[derive(Debug)]
pub struct EmbeddedStorage {
    writer: Writer,
    readers: Arc<Readers>,
    /// Held for as long as this server uses the database.
    _lock: File,
}

#[derive(Debug)]
struct Readers {
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    streams: Arc<Streams>,
    run: Run,
}

impl EmbeddedStorage {
    /// Opens or creates the database file, and brings it up to date. For `restore_window_ms` see [`SqliteCore::set_restore_window`].
    pub fn open(path: &Path, served: Served<'_>, migrations: &[Migration], restore_window_ms: i64) -> Result<Self, OpenError> {
        let lock = lock(path)?;
        let mut core = SqliteCore::open(&Location::File(path.to_owned()), served, migrations, fresh()?, now_ms())?;
        core.set_restore_window(restore_window_ms);
        let (streams, run) = core.shared();
        let idle = (0..READERS).map(|_| start::connect_reader(path)).collect::<Result<_, _>>()?;
        let readers = Readers { idle: Mutex::new(idle), permits: Arc::new(Semaphore::new(READERS)), streams, run };
        Ok(Self { writer: Writer::spawn(core)?, readers: Arc::new(readers), _lock: lock })
    }

    async fn read<T: Send + 'static>(&self, read: impl FnOnce(&Connection, &Readers) -> Result<T, StorageError> + Send + 'static) -> Result<T, StorageError> {
        let readers = self.readers.clone();
        let permit = self.readers.permits.clone().acquire_owned().await.map_err(|_| StorageError::Stopping)?;
        let work = spawn_blocking(move || {
            let conn = readers.take()?;
            let result = read(&conn, &readers);
            readers.give_back(conn);
            // Held to here: whoever asked may be gone long before.
            drop(permit);
            result
        });
        work.await.map_err(|_| StorageError::Failed)?
    }
}

impl Readers {
    fn take(&self) -> Result<Connection, StorageError> {
        // A reader leaves the list as it was even if it panics.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().ok_or(StorageError::Busy)
    }

    fn give_back(&self, conn: Connection) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
    }
}

impl Storage for EmbeddedStorage {
    fn admit(&self, user: User, replica: ReplicaId) -> BoxFuture<'_, Result<Admission, StorageError>> {
        Box::pin(async move {
            let known = user.clone();
            let found = self.read(move |conn, readers| match replica::find(conn, &known, replica)? {
                Some(last_sequence) => readers.run.admission(conn, last_sequence, now_ms()).map(Some),
                None => Ok(None),
            });
            match found.await? {
                Some(admission) => Ok(admission),
                None => self.writer.ask(move |group, now_ms| group.admit(&user, replica, now_ms)).await,
            }
        })
    }

    fn decide(&self, principal: Principal, push: Push) -> BoxFuture<'_, Result<Vec<TransactionResult>, StorageError>> {
        Box::pin(self.writer.ask(move |group, now_ms| group.decide(&principal, &push, now_ms)))
    }

    fn show(&self, principal: Principal, replica: ReplicaId, transaction: Arc<Transaction>) -> BoxFuture<'_, Result<Option<Shown>, StorageError>> {
        Box::pin(self.read(move |conn, readers| hearing::show(conn, &readers.streams, &principal, replica, &transaction)))
    }

    fn settle(&self, principal: Principal, push: Push, ruling: Option<Ruling>) -> BoxFuture<'_, Result<Vec<TransactionResult>, StorageError>> {
        Box::pin(self.writer.ask(move |group, now_ms| group.settle(&principal, &push, ruling.as_ref(), now_ms)))
    }

    fn pull(&self, principal: Principal, standing: Standing, doubtful: Vec<TransactionId>) -> BoxFuture<'_, Result<Read, StorageError>> {
        Box::pin(self.read(move |conn, readers| {
            let asked = Asked { principal: &principal, standing: &standing, doubtful: &doubtful, join_bytes: pull::JOIN_BYTES };
            pull::pull(conn, &readers.streams, readers.run.incarnation, &asked)
        }))
    }

    fn begin_deliveries(&self, webhooks: Vec<String>) -> BoxFuture<'_, Result<BTreeMap<String, Position>, StorageError>> {
        Box::pin(self.writer.ask(move |group, _| group.begin_deliveries(&webhooks)))
    }

    fn log(&self, after: Position) -> BoxFuture<'_, Result<LogPart, StorageError>> {
        Box::pin(self.read(move |conn, _| deliveries::read(conn, after)))
    }

    fn delivered(&self, webhook: String, position: Position) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.writer.ask(move |group, _| group.delivered(&webhook, position)))
    }

    fn log_needed_from(&self) -> BoxFuture<'_, Result<Option<Position>, StorageError>> {
        Box::pin(self.read(|conn, _| deliveries::needed_from(conn)))
    }

    fn head(&self) -> watch::Receiver<Position> {
        self.writer.head()
    }

    fn waiter(&self) -> Waiter {
        self.writer.waiter()
    }

    fn check(&self) -> BoxFuture<'_, Result<(), StorageError>> {
        Box::pin(self.writer.ask(|_, _| Ok(())))
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            // All readers first: the last connection to close is the writer's, which may then empty the write-ahead log.
            if let Ok(permits) = self.readers.permits.acquire_many(READERS as u32).await {
                self.readers.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
                self.readers.permits.close();
                drop(permits);
            }
            self.writer.close().await;
        })
    }
}

/// Keeps a second server away from the same file: two would give out the same positions.
fn lock(path: &Path) -> Result<File, OpenError> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let lock_path = PathBuf::from(name);
    let file = File::create(&lock_path).map_err(|source| OpenError::Lock { path: lock_path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(OpenError::Lock { path: lock_path, source }),
    }
}

fn fresh() -> Result<Fresh, OpenError> {
    let (mut epoch, mut incarnation) = ([0; 16], [0; 16]);
    getrandom::fill(&mut epoch).map_err(OpenError::Randomness)?;
    getrandom::fill(&mut incarnation).map_err(OpenError::Randomness)?;
    Ok(Fresh { epoch: Epoch(epoch), incarnation: Incarnation(incarnation) })
}

fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
