//! A deterministic simulation: clients, a server and a bad network in one thread, from one seed.
//!
//! Clients are real replicas over SQLite files, the server is its real storage core with real sessions;
//! only the clock, the network and the processes are simulated. It promises that a seed always gives the
//! same schedule. At every step it holds each client to the model of synchronisation: what is shown is the
//! state of the last checkpoint, as the log says it, plus what is pending (I1, I2), and every acknowledged
//! write has exactly one end (I3). It holds the server to it too: what enters the log met nobody under a
//! policy that forbids it (I4), and nobody is sent what they may not read (I5). After the faults end,
//! everything must drain and converge.

mod application;
mod cell;
mod check;
mod client;
mod conflict;
mod device;
mod event;
mod fault;
mod fold;
mod history;
mod judge;
mod link;
mod mortal;
mod network;
mod plan;
mod random;
mod schema;
mod server;
mod view;
mod workload;
mod world;

use seaworthy_fault::Point;
use std::{collections::BTreeMap, fmt};
pub use workload::Workload;

/// What a schedule did, so that a run shows whether it met its faults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Events that were executed.
    pub steps: u64,
    /// Simulated milliseconds.
    pub simulated_ms: u64,
    /// Writes that were acknowledged to the application.
    pub writes: u64,
    /// Of these, how many ended as confirmed.
    pub confirmed: u64,
    /// Of these, how many ended as rejected.
    pub rejected: u64,
    /// Crashes of clients and of the server.
    pub crashes: u64,
    /// Commits that storage refused.
    pub storage_failures: u64,
    /// Sockets that were cut, stalled or refused.
    pub network_faults: u64,
    /// Checkpoints that were applied.
    pub checkpoints: u64,
    /// Requests over fetch that the server answered.
    pub fetches: u64,
    /// Times that a pending transaction was found blocked.
    pub blocked: u64,
    /// Databases that were copied.
    pub copies: u64,
    /// Times that the server went on from a backup.
    pub restores: u64,
    /// Confirmed writes that a restored server had lost, and that were listed.
    pub lost: u64,
    /// Times that what nobody wrote waited to be adopted.
    pub unclaimed: u64,
    /// Times that the server forgot history.
    pub compactions: u64,
    /// Times that a process died at a named point.
    pub deaths: u64,
    /// A fingerprint of every event in order.
    pub fingerprint: u64,
}

impl Report {
    /// Sums up two schedules.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.simulated_ms += other.simulated_ms;
        self.writes += other.writes;
        self.confirmed += other.confirmed;
        self.rejected += other.rejected;
        self.crashes += other.crashes;
        self.storage_failures += other.storage_failures;
        self.network_faults += other.network_faults;
        self.checkpoints += other.checkpoints;
        self.fetches += other.fetches;
        self.blocked += other.blocked;
        self.copies += other.copies;
        self.restores += other.restores;
        self.lost += other.lost;
        self.unclaimed += other.unclaimed;
        self.compactions += other.compactions;
        self.deaths += other.deaths;
        self.fingerprint = self.fingerprint.wrapping_add(other.fingerprint);
    }
}

/// A schedule in which something that must hold did not.
#[derive(Clone, Debug)]
pub struct Failure {
    /// Run it again with this.
    pub seed: u64,
    /// The event at which it showed.
    pub step: u64,
    /// When, in simulated milliseconds.
    pub at_ms: u64,
    /// What did not hold.
    pub message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed {}, step {}, {} ms: {}", self.seed, self.step, self.at_ms, self.message)
    }
}

/// Runs the schedule of a seed. `trace` prints every event as it is executed.
pub fn run(seed: u64, workload: Workload, trace: bool) -> Result<Report, Failure> {
    seaworthy_fault::disarm();
    world::World::new(seed, workload, trace).run()
}

/// Runs a schedule in which a process dies at a named point, once it has passed it so many times.
pub fn run_dying(seed: u64, workload: Workload, point: Point, passes: u64) -> Result<Report, Failure> {
    seaworthy_fault::arm(point, passes);
    world::World::new(seed, workload, false).run()
}

/// How often a schedule reaches each point while processes may die.
pub fn points(seed: u64, workload: Workload) -> Result<BTreeMap<Point, u64>, Failure> {
    seaworthy_fault::take_reached();
    let mut world = world::World::new(seed, workload, false);
    world.run()?;
    Ok(world.reached)
}
