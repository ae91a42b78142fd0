//! What came of it, as a table or as JSON.

use crate::{board::Spread, crowd::Connecting};
use serde::Serialize;
use std::fmt::{self, Display, Formatter};

/// Beside hostile clients the 99th of a hundred changes may come this much later, in milliseconds, …
pub const HOSTILE_GRACE_MS: f64 = 250.0;
/// … and take so many times as long.
pub const HOSTILE_FACTOR: f64 = 3.0;

/// A time in which was written.
#[derive(Debug, Serialize)]
pub struct Writing {
    pub transactions_per_second: f64,
    pub changes_out_per_second: f64,
    /// From sending a push to its results.
    pub push: Spread,
    /// From the results of a push to the row at each other replica.
    pub fan_out: Spread,
    /// Processor time of the server per second.
    pub cpu: f64,
}

#[derive(Debug, Serialize)]
pub struct Report {
    pub server: String,
    pub open_files: u64,
    pub replicas: usize,
    pub users: usize,
    pub writers: usize,
    pub connect: Connecting,
    pub reconnect: Connecting,
    pub memory_before_mb: f64,
    pub memory_idle_mb: f64,
    pub memory_per_connection_kb: f64,
    pub memory_after_mb: f64,
    pub write: Writing,
    pub hostile: Option<Writing>,
    pub hostile_did: Vec<(&'static str, u64)>,
    pub problems: Vec<String>,
}

impl Report {
    /// Says what is wrong with the hostile part, if there is one.
    pub fn judge(&mut self) {
        let Some(hostile) = &self.hostile else { return };
        let (quiet, beside) = (self.write.fan_out.p99_ms, hostile.fan_out.p99_ms);
        if beside > quiet * HOSTILE_FACTOR + HOSTILE_GRACE_MS {
            self.problems.push(format!("the others noticed the hostile clients: p99 is {beside:.1} ms and was {quiet:.1} ms"));
        }
        let idle = self.hostile_did.iter().filter(|(_, count)| *count == 0).map(|(name, _)| format!("hostile clients: there were no {name}"));
        self.problems.extend(idle);
    }

    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} open files allowed\n", self.server, self.open_files)?;
        writeln!(f, "| {} replicas of {} users, {} write | |\n|---|---|", self.replicas, self.users, self.writers)?;
        for (name, connecting) in [("connect all at once", &self.connect), ("reconnect all at once", &self.reconnect)] {
            let Connecting { connected, seconds, each, retries } = connecting;
            writeln!(f, "| {name} | {connected} in {seconds:.2} s, p50 {:.0} ms, p99 {:.0} ms, {retries} tries again |", each.p50_ms, each.p99_ms)?;
        }
        writeln!(f, "| memory of the server, connected | {:.0} MB, {:.1} KB per connection |", self.memory_idle_mb, self.memory_per_connection_kb)?;
        writeln!(f, "| memory of the server, in the end | {:.0} MB |", self.memory_after_mb)?;
        rows(f, "", &self.write)?;
        if let Some(hostile) = &self.hostile {
            rows(f, ", beside hostile clients", hostile)?;
        }
        for (name, count) in &self.hostile_did {
            writeln!(f, "| hostile: {name} | {count} |")?;
        }
        for problem in &self.problems {
            writeln!(f, "\nFAILED {problem}")?;
        }
        Ok(())
    }
}

fn rows(f: &mut Formatter<'_>, when: &str, writing: &Writing) -> fmt::Result {
    writeln!(f, "| transactions acknowledged{when} | {:.0} per second |", writing.transactions_per_second)?;
    writeln!(f, "| changes sent out{when} | {:.0} per second |", writing.changes_out_per_second)?;
    for (name, spread) in [("push to its results", writing.push), ("results to the other replicas", writing.fan_out)] {
        let Spread { count, p50_ms, p99_ms, max_ms } = spread;
        writeln!(f, "| {name}{when} | p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, at most {max_ms:.1} ms ({count}) |")?;
    }
    writeln!(f, "| processor{when} | {:.2} s per second |", writing.cpu)
}
