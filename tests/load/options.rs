//! What is asked for on the command line.

use clap::Parser;
use std::{path::PathBuf, time::Duration};

/// Drives the real server with thousands of replicas over real sockets on loopback, and says what it held. For Linux.
#[derive(Clone, Debug, Parser)]
#[command(name = "load")]
pub struct Options {
    /// How many replicas are connected.
    #[arg(long, default_value_t = 1000)]
    pub replicas: usize,
    /// How many users they belong to; each sees the rows of their own. By default one for a hundred replicas.
    #[arg(long)]
    pub users: Option<usize>,
    /// How long is written, in seconds.
    #[arg(long, default_value_t = 10)]
    pub seconds: u64,
    /// How many of the replicas write.
    #[arg(long, default_value_t = 10)]
    pub writers: usize,
    /// How many transactions they write per second in all; 0 for as fast as they can.
    #[arg(long, default_value_t = 20)]
    pub rate: u64,
    /// How many transactions each push carries.
    #[arg(long, default_value_t = 1)]
    pub batch: u64,
    /// Writes for as long again beside hostile clients, and compares.
    #[arg(long)]
    pub hostile: bool,
    /// The server's program; by default the one beside this program.
    #[arg(long)]
    pub server: Option<PathBuf>,
    /// Prints JSON and no table.
    #[arg(long)]
    pub json: bool,
}

impl Options {
    /// See the field.
    pub fn users(&self) -> usize {
        self.users.unwrap_or(self.replicas / 100).clamp(1, self.replicas.max(1))
    }

    /// How many replicas a user has at most.
    pub fn replicas_per_user(&self) -> usize {
        self.replicas.div_ceil(self.users())
    }

    /// How long one writer waits from push to push; nothing if it does not.
    pub fn interval(&self) -> Duration {
        match self.rate {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64((self.writers as u64 * self.batch) as f64 / rate as f64),
        }
    }
}
