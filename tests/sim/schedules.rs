//! The simulation as a test: a short run, the seeds of bugs that it found, and its own soundness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use seaworthy_tests::sim::{self, Report};

fn passes(seed: u64) -> Report {
    sim::run(seed, false).unwrap_or_else(|failure| panic!("{failure}\nrun it again: npm run sim -- --seed {seed} --count 1 --trace"))
}

fn passes_all(seeds: std::ops::Range<u64>) -> Report {
    let mut total = Report::default();
    seeds.for_each(|seed| total.add(&passes(seed)));
    total
}

#[test]
fn a_hundred_schedules_converge_and_meet_every_kind_of_fault() {
    let total = passes_all(0..100);
    assert!(total.writes > 1_000, "{total:?}");
    assert!(total.confirmed > 500 && total.rejected > 50, "{total:?}");
    assert!(total.crashes > 50 && total.storage_failures > 10 && total.network_faults > 50, "{total:?}");
    assert!(total.fetches > 100 && total.blocked > 10 && total.copies > 0, "{total:?}");
    assert!(total.lost > 10 && total.unclaimed > 0, "{total:?}");
}

#[test]
fn a_seed_gives_the_same_schedule_every_time() {
    for seed in 0..5 {
        assert_eq!(passes(seed), passes(seed));
    }
}

#[test]
fn seed_882_what_a_restored_server_has_forgotten_is_pushed_again() {
    // An outcome was on disk, at a position that the restored history has not reached, and waited for ever.
    assert!(passes(882).restores > 0);
}
