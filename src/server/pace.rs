//! How fast something may go: so many units per second, and some more after a pause.
//!
//! It keeps no clock and no state: a [`Debt`] says until when what was spent is being paid off, so that
//! whoever is paced costs one instant.

use std::time::Duration;
use tokio::time::Instant;

/// A rate with a burst.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    per_second: u64,
    burst: Duration,
}

/// When all that was spent would be paid off.
pub type Debt = Instant;

impl Pace {
    /// After a pause `burst` units may be spent at once, and `per_second` each second from then on.
    pub fn new(per_second: u64, burst: u64) -> Self {
        Self { per_second, burst: cost(burst, per_second) }
    }

    /// Spends, whether or not it is time.
    pub fn spend(&self, debt: &mut Debt, now: Instant, units: u64) {
        *debt = (*debt).max(now) + cost(units, self.per_second);
    }

    /// When the next may be spent.
    pub fn ready_at(&self, debt: Debt) -> Instant {
        debt.checked_sub(self.burst).unwrap_or(debt)
    }

    /// Spends one unit, or says how long to wait.
    pub fn take(&self, debt: &mut Debt, now: Instant) -> Result<(), Duration> {
        let wait = self.ready_at(*debt + cost(1, self.per_second)).saturating_duration_since(now);
        if !wait.is_zero() {
            return Err(wait);
        }
        self.spend(debt, now, 1);
        Ok(())
    }
}

fn cost(units: u64, per_second: u64) -> Duration {
    Duration::from_secs_f64(units as f64 / per_second.max(1) as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_free_and_then_the_rate_holds() {
        let (pace, start) = (Pace::new(10, 5), Instant::now());
        let mut debt = start;
        let taken = (0..20).filter(|_| pace.take(&mut debt, start).is_ok()).count();
        assert_eq!(taken, 5);
        let wait = pace.take(&mut debt, start).unwrap_err();
        assert!(wait > Duration::from_millis(99) && wait < Duration::from_millis(101), "{wait:?}");
        let in_ten_seconds = (0..10_000).filter(|ms| pace.take(&mut debt, start + Duration::from_millis(*ms)).is_ok()).count();
        assert!((98..=101).contains(&in_ten_seconds), "{in_ten_seconds}");
    }

    #[test]
    fn what_is_spent_at_once_is_paid_off_before_the_next() {
        let (pace, start) = (Pace::new(1000, 1000), Instant::now());
        let mut debt = start;
        pace.spend(&mut debt, start, 3000);
        let wait = pace.ready_at(debt) - start;
        assert!(wait > Duration::from_millis(1999) && wait < Duration::from_millis(2001), "{wait:?}");
    }
}
