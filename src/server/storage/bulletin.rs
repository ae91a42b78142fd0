//! Who waits for what. A commit says what it touched, and wakes those who wait for it and nobody else.
//!
//! Nothing is missed between a read and the wait: whoever comes to wait for something else than before is
//! told where the log ends, and reads again if that lies behind what was read; whoever waits for the same
//! was waiting all along. It keeps what is waited for, never what happened.

use seaworthy_protocol::Position;
use std::{
    collections::{BTreeSet, HashMap},
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// What is waited for by its name: buckets, and answers that say who may open which.
pub type Interest = BTreeSet<Arc<str>>;

/// Whoever waits for more than this is woken by every commit.
pub const MAX_INTEREST: usize = 20_000;

/// What every commit touches.
const ANYTHING: &str = "*";

/// What a commit touched.
#[derive(Debug, Default)]
pub struct Touched(BTreeSet<String>);

impl Touched {
    /// Adds something by its name.
    pub fn add(&mut self, name: &str) {
        if !self.0.contains(name) {
            self.0.insert(name.to_owned());
        }
    }

    /// Adds what another has.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Bulletin(Mutex<Board>);

#[derive(Debug, Default)]
struct Board {
    head: Position,
    waiting: BTreeSet<(Arc<str>, u64)>,
    waiters: HashMap<u64, watch::Sender<Position>>,
    last: u64,
}

/// One who waits.
#[derive(Debug)]
pub struct Waiter {
    bulletin: Arc<Bulletin>,
    id: u64,
    interest: Interest,
    news: watch::Receiver<Position>,
}

impl Bulletin {
    /// Begins where the log ends.
    pub fn new(head: Position) -> Self {
        Self(Mutex::new(Board { head, ..Board::default() }))
    }

    /// Makes a commit known, which can be read by now.
    pub fn publish(&self, head: Position, touched: &Touched) {
        let mut board = self.board();
        board.head = board.head.max(head);
        let mut woken = BTreeSet::new();
        for name in touched.names().chain([ANYTHING]) {
            let first: (Arc<str>, u64) = (name.into(), 0);
            woken.extend(board.waiting.range(first..).take_while(|(waited, _)| &**waited == name).map(|(_, id)| *id));
        }
        for sender in woken.iter().filter_map(|id| board.waiters.get(id)) {
            sender.send_replace(head);
        }
    }

    /// Somebody who waits for nothing yet.
    pub fn waiter(self: &Arc<Self>) -> Waiter {
        let mut board = self.board();
        board.last += 1;
        let (id, (sender, news)) = (board.last, watch::channel(Position::default()));
        board.waiters.insert(id, sender);
        Waiter { bulletin: self.clone(), id, interest: Interest::new(), news }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        // Whoever panicked here left a set that is good, if perhaps not whole; names too many wake in vain.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Waits for this from now on. Answers the end of the log if something may have been missed.
    pub fn wait_for(&mut self, interest: Interest) -> Option<Position> {
        let interest = if interest.len() > MAX_INTEREST { Interest::from([ANYTHING.into()]) } else { interest };
        if interest == self.interest {
            return None;
        }
        let mut board = self.bulletin.board();
        let before = mem::replace(&mut self.interest, interest);
        for name in before.difference(&self.interest) {
            board.waiting.remove(&(name.clone(), self.id));
        }
        for name in self.interest.difference(&before) {
            board.waiting.insert((name.clone(), self.id));
        }
        Some(board.head)
    }

    /// Waits until something of it was touched. Answers the end of the log then. May be dropped at any moment.
    pub async fn news(&mut self) -> Position {
        match self.news.changed().await {
            Ok(()) => *self.news.borrow_and_update(),
            // The sender goes with the waiter only.
            Err(_) => std::future::pending().await,
        }
    }

    /// Where the log ends.
    pub fn head(&self) -> Position {
        self.bulletin.board().head
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut board = self.bulletin.board();
        for name in mem::take(&mut self.interest) {
            board.waiting.remove(&(name, self.id));
        }
        board.waiters.remove(&self.id);
    }
}
