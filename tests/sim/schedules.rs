//! The simulation as a test: a short run of each workload, death at every named point, the seeds of bugs
//! that it found, and its own soundness.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use seaworthy_fault::Point;
use seaworthy_tests::sim::{self, Report, Workload};
use std::collections::{BTreeMap, BTreeSet};

/// Whether this build has the points at which processes die.
const POINTS_KILL: bool = cfg!(debug_assertions);

fn passes(seed: u64, workload: Workload) -> Report {
    sim::run(seed, workload, false)
        .unwrap_or_else(|failure| panic!("{failure}\nrun it again: npm run sim -- --workload {workload:?} --seed {seed} --count 1 --trace"))
}

fn passes_all(seeds: std::ops::Range<u64>, workload: Workload) -> Report {
    let mut total = Report::default();
    seeds.for_each(|seed| total.add(&passes(seed, workload)));
    total
}

#[test]
fn a_hundred_schedules_converge_and_meet_every_kind_of_fault() {
    let total = passes_all(0..100, Workload::Mixed);
    assert!(total.writes > 1_000, "{total:?}");
    assert!(total.confirmed > 500 && total.rejected > 50, "{total:?}");
    assert!(total.crashes > 50 && total.storage_failures > 10 && total.network_faults > 50, "{total:?}");
    assert!(total.lost > 10 && total.unclaimed > 0, "{total:?}");
    assert!(total.fetches > 100 && total.blocked > 10, "{total:?}");
    assert!(total.copies > 20 && total.restores > 20 && total.compactions > 20, "{total:?}");
    assert!(total.deaths > 20 || !POINTS_KILL, "{total:?}");
}

#[test]
fn a_register_that_many_raise_never_goes_back_and_ends_at_the_highest_confirmed_value() {
    let total = passes_all(0..15, Workload::Register);
    assert!(total.confirmed > 100 && total.rejected > 100, "{total:?}");
}

#[test]
fn money_that_many_move_is_neither_lost_nor_made() {
    let total = passes_all(0..15, Workload::Bank);
    assert!(total.confirmed > 100 && total.rejected > 100, "{total:?}");
}

#[test]
fn at_every_named_point_either_side_may_die() {
    if !POINTS_KILL {
        return;
    }
    let points = |seed| (seed, sim::points(seed, Workload::Steady).unwrap_or_else(|failure| panic!("{failure}")));
    let reaches_all = |(_, reached): &(u64, BTreeMap<Point, u64>)| Point::ALL.iter().all(|point| reached.contains_key(point));
    let (seed, reached) = (0..100).map(points).find(reaches_all).expect("no schedule of a hundred reaches every point");
    for (point, count) in reached {
        for passed in BTreeSet::from([0, count / 2, count - 1]) {
            let died = sim::run_dying(seed, Workload::Steady, point, passed);
            let report = died.unwrap_or_else(|failure| panic!("{point:?} after {passed} passes: {failure}"));
            assert_eq!(report.deaths, 1, "{point:?} after {passed} passes");
        }
    }
}

#[test]
fn a_seed_gives_the_same_schedule_every_time() {
    for seed in 0..5 {
        assert_eq!(passes(seed, Workload::Mixed), passes(seed, Workload::Mixed));
    }
}

#[test]
fn seed_208_what_a_restored_server_has_forgotten_is_pushed_again() {
    // An outcome was on disk, at a position that the restored history has not reached, and waited for ever.
    assert!(passes(208, Workload::Mixed).restores > 0);
}

#[test]
fn seed_749_what_the_other_copy_of_a_database_has_pushed_is_not_lost_by_a_restore() {
    // The restored server had the write, but no record of this copy having pushed it too, and the copy listed it as lost.
    let report = passes(749, Workload::Mixed);
    assert!(report.copies > 0 && report.restores > 0, "{report:?}");
}
