//! Exponential back-off with full jitter.
//!
//! Source: "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. A wait is drawn evenly from
//! 0 to the bound, so that ten thousand replicas that lost one server do not come back in step.

use super::timing::{BACKOFF_BASE_MS, BACKOFF_CAP_MS, RETRY_AFTER_CAP_MS};
use crate::random::Random;

/// Failures in a row after which a person is told that there is no connection; one that breaks now and then is no news.
const LOST_AFTER: u32 = 3;

#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// The wait after one more failure, in milliseconds. `at_least` is what the server asked for.
    pub(super) fn fail(&mut self, random: &mut Random, at_least: u64) -> u64 {
        let bound = BACKOFF_BASE_MS.saturating_mul(1 << self.failures.min(16)).min(BACKOFF_CAP_MS);
        self.count();
        at_least.min(RETRY_AFTER_CAP_MS) + random.up_to(bound)
    }

    /// Counts a failure after which somebody else waits.
    pub(super) fn count(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Whether the server has not been there for several tries in a row.
    pub(super) fn is_lost(&self) -> bool {
        self.failures >= LOST_AFTER
    }

    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_spread_evenly_and_never_beyond_the_cap() {
        let mut random = Random::new(7);
        let firsts: Vec<u64> = (0..1000).map(|_| Backoff::default().fail(&mut random, 0)).collect();
        assert!(firsts.iter().all(|wait| *wait <= BACKOFF_BASE_MS));
        let mean = firsts.iter().sum::<u64>() / 1000;
        assert!((400..600).contains(&mean), "mean {mean}");

        let mut backoff = Backoff::default();
        let waits: Vec<u64> = (0..1000).map(|_| backoff.fail(&mut random, 0)).collect();
        assert!(waits.iter().all(|wait| *wait <= BACKOFF_CAP_MS));
        assert!(waits.iter().any(|wait| *wait > BACKOFF_CAP_MS / 2));
    }

    #[test]
    fn the_server_is_given_the_time_that_it_asked_for_within_a_bound() {
        let mut random = Random::new(1);
        assert!(Backoff::default().fail(&mut random, 5000) >= 5000);
        assert!(Backoff::default().fail(&mut random, u64::MAX) <= RETRY_AFTER_CAP_MS + BACKOFF_BASE_MS);
    }

    #[test]
    fn the_same_seed_gives_the_same_waits() {
        let waits = |seed| {
            let (mut random, mut backoff) = (Random::new(seed), Backoff::default());
            (0..20).map(|_| backoff.fail(&mut random, 0)).collect::<Vec<_>>()
        };
        assert_eq!(waits(3), waits(3));
        assert_ne!(waits(3), waits(4));
    }
}
