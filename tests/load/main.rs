//! `npm run load`: thousands of simulated replicas over real sockets against the real server.
//!
//! It measures, and fails where a replica does not hold what it should in the end, so that a server
//! that is fast and wrong has no figures. With `--hostile` it also fails where the others notice.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod board;
mod crowd;
mod hostile;
mod link;
mod options;
mod replica;
mod report;
mod server;

use board::Spread;
use clap::Parser;
use crowd::Crowd;
use options::Options;
use report::{Report, Writing};
use server::Server;
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// What is open besides the sockets of the replicas, those of hostile clients included.
const OTHER_FILES: u64 = 2000;
/// What is going on when all are connected has then come to rest.
const REST: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let options = Options::parse();
    let needed = options.replicas as u64 + OTHER_FILES;
    let open_files = rlimit::increase_nofile_limit(needed).unwrap();
    if open_files < needed {
        eprintln!("{} replicas need {needed} open files, and the system allows {open_files}. Raise it (ulimit -n), or ask for fewer.", options.replicas);
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let report = runtime.block_on(run(&options, open_files));
    match options.json {
        true => println!("{}", serde_json::to_string_pretty(&report).unwrap()),
        false => print!("{report}"),
    }
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run(options: &Options, open_files: u64) -> Report {
    let server = Server::start(options);
    let before = server.usage();
    let mut crowd = Crowd::new(options, &server);
    let connect = crowd.connect().await;
    sleep(REST).await;
    let idle = server.usage();
    let quiet = write(options, &server, &crowd).await;
    let (siege, hostile) = match options.hostile {
        false => (None, None),
        true => {
            let siege = hostile::begin(&server).await;
            sleep(REST).await;
            let writing = write(options, &server, &crowd).await;
            (Some(siege), Some(writing))
        }
    };
    let hostile_did = siege.map(|siege| siege.counts.list()).unwrap_or_default();
    crowd.leave().await;
    let reconnect = crowd.connect().await;
    crowd.leave().await;
    crowd.check();
    let after = server.usage();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let mut report = Report {
        server: server.program(),
        open_files,
        replicas: options.replicas,
        users: options.users(),
        writers: options.writers.min(options.replicas),
        connect,
        reconnect,
        memory_before_mb: megabytes(before.memory_bytes),
        memory_idle_mb: megabytes(idle.memory_bytes),
        memory_per_connection_kb: idle.memory_bytes.saturating_sub(before.memory_bytes) as f64 / 1e3 / connect.connected.max(1) as f64,
        memory_after_mb: megabytes(after.memory_bytes),
        write: quiet.finish(&crowd),
        hostile: hostile.map(|part| part.finish(&crowd)),
        hostile_did,
        problems: crowd.board.problems(),
    };
    report.judge();
    if !report.is_good() {
        eprintln!("{}", server.log());
    }
    report
}

/// A time of writing, before the replicas have said when what came to them.
struct Part {
    numbers: std::ops::Range<u64>,
    arrived: u64,
    seconds: f64,
    cpu_seconds: f64,
    users: usize,
}

async fn write(options: &Options, server: &Server, crowd: &Crowd) -> Part {
    let (first, arrived, usage, started) = (crowd.board.next_number(), crowd.board.arrived(), server.usage(), Instant::now());
    crowd.write(Duration::from_secs(options.seconds)).await;
    Part {
        numbers: first..crowd.board.next_number(),
        arrived: crowd.board.arrived() - arrived,
        seconds: started.elapsed().as_secs_f64(),
        cpu_seconds: server.usage().cpu_seconds - usage.cpu_seconds,
        users: options.users(),
    }
}

impl Part {
    fn finish(self, crowd: &Crowd) -> Writing {
        let all = (0..self.users).flat_map(|user| crowd.board.acknowledged(user));
        let writes: Vec<_> = all.filter(|write| self.numbers.contains(&write.number)).collect();
        // Until the last result, not until everything had settled.
        let writing = writes.iter().map(|write| write.at).max().unwrap_or(0) - writes.iter().map(|write| write.sent).min().unwrap_or(0);
        Writing {
            transactions_per_second: writes.len() as f64 / (writing.max(1) as f64 / 1e6),
            changes_out_per_second: self.arrived as f64 / self.seconds,
            push: Spread::of(writes.iter().map(|write| write.at - write.sent).collect()),
            fan_out: crowd.fan_out(self.numbers.clone()),
            cpu: self.cpu_seconds / self.seconds,
        }
    }
}
