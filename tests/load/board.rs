//! What all replicas write on while they run: which writes were acknowledged, and what arrived.

use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// Microseconds since the run began.
pub type Moment = u64;

/// One write that was acknowledged.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    pub number: u64,
    pub sent: Moment,
    pub at: Moment,
}

pub struct Board {
    start: Instant,
    next: AtomicU64,
    arrived: AtomicU64,
    /// Per user the writes that were acknowledged.
    acknowledged: Vec<Mutex<Vec<Acknowledged>>>,
    /// What went wrong where nothing should.
    problems: Mutex<Vec<String>>,
    retries: AtomicU64,
}

impl Board {
    pub fn new(users: usize) -> Self {
        Self {
            start: Instant::now(),
            next: AtomicU64::new(1),
            arrived: AtomicU64::new(0),
            acknowledged: (0..users).map(|_| Mutex::default()).collect(),
            problems: Mutex::default(),
            retries: AtomicU64::new(0),
        }
    }

    pub fn now(&self) -> Moment {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(Moment::MAX)
    }

    /// The number of another write, which is the key of its row.
    pub fn number(&self) -> u64 {
        self.next.fetch_add(1, Relaxed)
    }

    /// The first number that no write has yet.
    pub fn next_number(&self) -> u64 {
        self.next.load(Relaxed)
    }

    pub fn acknowledge(&self, user: usize, write: Acknowledged) {
        self.acknowledged[user].lock().unwrap().push(write);
    }

    pub fn acknowledged(&self, user: usize) -> Vec<Acknowledged> {
        self.acknowledged[user].lock().unwrap().clone()
    }

    pub fn count_acknowledged(&self, user: usize) -> usize {
        self.acknowledged[user].lock().unwrap().len()
    }

    /// A row came to a replica that had not had it.
    pub fn arrive(&self) {
        self.arrived.fetch_add(1, Relaxed);
    }

    pub fn arrived(&self) -> u64 {
        self.arrived.load(Relaxed)
    }

    pub fn problem(&self, problem: String) {
        self.problems.lock().unwrap().push(problem);
    }

    pub fn problems(&self) -> Vec<String> {
        self.problems.lock().unwrap().clone()
    }

    /// A connection had to be tried again.
    pub fn retry(&self) {
        self.retries.fetch_add(1, Relaxed);
    }

    pub fn retries(&self) -> u64 {
        self.retries.load(Relaxed)
    }
}

/// A distribution, in milliseconds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct Spread {
    pub count: usize,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub max_ms: f64,
}

impl Spread {
    pub fn of(mut micros: Vec<u64>) -> Self {
        micros.sort_unstable();
        let Some(last) = micros.len().checked_sub(1) else { return Self::default() };
        let at = |share: f64| micros[(last as f64 * share).round() as usize] as f64 / 1000.0;
        Self { count: micros.len(), p50_ms: at(0.5), p99_ms: at(0.99), max_ms: at(1.0) }
    }

    pub fn of_durations(durations: impl IntoIterator<Item = Duration>) -> Self {
        Self::of(durations.into_iter().map(|duration| duration.as_micros() as u64).collect())
    }
}
