//! `sim --seed S --count N [--workload W] [--trace]`: runs the schedules of the seeds S, S+1, … S+N-1.
//!
//! Prints the seed of a schedule that fails and exits with 1; exits with 2 when nothing was run.

use seaworthy_tests::sim::{self, Failure, Report, Workload};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const USAGE: &str = "usage: sim [--seed S] [--count N] [--workload mixed|register|bank|steady] [--threads T] [--trace] [--keep-going]";

struct Options {
    seed: u64,
    count: u64,
    threads: usize,
    workload: Workload,
    trace: bool,
    keep_going: bool,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let start = Instant::now();
    let (report, ran, failures) = run_all(&options);
    let seconds = start.elapsed().as_secs_f64();
    println!("{report:#?}");
    println!("{ran} schedules from seed {} in {seconds:.1} s: {:.1} schedules per second", options.seed, ran as f64 / seconds);
    if ran == 0 {
        eprintln!("no schedule was run");
        return ExitCode::from(2);
    }
    for failure in &failures {
        eprintln!("\nFAILED {failure}\nrun it again: npm run sim -- --seed {} --count 1 --trace", failure.seed);
    }
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_all(options: &Options) -> (Report, u64, Vec<Failure>) {
    let (next, ran) = (AtomicU64::new(0), AtomicU64::new(0));
    let total = Mutex::new((Report::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Relaxed);
                    let stopped = !options.keep_going && total.lock().is_ok_and(|total| !total.1.is_empty());
                    if nth >= options.count || stopped {
                        return;
                    }
                    let result = sim::run(options.seed.wrapping_add(nth), options.workload, options.trace);
                    ran.fetch_add(1, Relaxed);
                    if let Ok(mut total) = total.lock() {
                        match result {
                            Ok(report) => total.0.add(&report),
                            Err(failure) => total.1.push(failure),
                        }
                    }
                }
            });
        }
    });
    let (report, mut failures) = total.into_inner().unwrap_or_default();
    failures.sort_by_key(|failure: &Failure| failure.seed);
    (report, ran.into_inner(), failures)
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut options = Options { seed: clock, count: 100, threads, workload: Workload::Mixed, trace: false, keep_going: false };
    while let Some(argument) = arguments.next() {
        if argument == "--workload" {
            options.workload = arguments.next().and_then(|name| Workload::parse(&name)).ok_or("--workload needs mixed, register, bank or steady")?;
            continue;
        }
        let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok()).ok_or_else(|| format!("{argument} needs a number"));
        match argument.as_str() {
            "--seed" => options.seed = number()?,
            "--count" => options.count = number()?,
            "--threads" => options.threads = number()?.max(1) as usize,
            "--trace" => (options.trace, options.threads) = (true, 1),
            "--keep-going" => options.keep_going = true,
            other => return Err(format!("unknown argument {other}")),
        }
    }
    Ok(options)
}
