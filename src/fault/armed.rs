//! Points that kill: in this thread, by unwinding to whoever plays the process; or the process itself,
//! as `kill -9` does, when the environment names a point.

use crate::Point;
use std::{cell::RefCell, collections::BTreeMap, sync::OnceLock, sync::atomic::AtomicU64, sync::atomic::Ordering::Relaxed};

/// `ServerBeforeCommit:3` in this variable aborts the process when that point is reached for the third time.
pub const VARIABLE: &str = "SEAWORTHY_FAULT";

/// What unwinds where a process is only played: whoever catches it drops all that the process had in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Died(pub Point);

#[derive(Default)]
struct Plan {
    reached: BTreeMap<Point, u64>,
    /// Where to die, and how often it is passed before.
    death: Option<(Point, u64)>,
}

thread_local! {
    static PLAN: RefCell<Plan> = RefCell::default();
}

/// Has this thread die when it reaches a point, after passing it so many times. It dies once.
pub fn arm(point: Point, passes: u64) {
    PLAN.with_borrow_mut(|plan| plan.death = Some((point, passes)));
}

/// Takes back [`arm`].
pub fn disarm() {
    PLAN.with_borrow_mut(|plan| plan.death = None);
}

/// How often this thread reached each point since this was last asked.
pub fn take_reached() -> BTreeMap<Point, u64> {
    PLAN.with_borrow_mut(|plan| std::mem::take(&mut plan.reached))
}

pub(crate) fn reach(point: Point) {
    abort_if_named(point);
    let dies = PLAN.with_borrow_mut(|plan| {
        *plan.reached.entry(point).or_default() += 1;
        match &mut plan.death {
            Some((at, 0)) if *at == point => plan.death.take().is_some(),
            Some((at, passes)) if *at == point => {
                *passes -= 1;
                false
            }
            _ => false,
        }
    });
    if dies {
        std::panic::resume_unwind(Box::new(Died(point)));
    }
}

fn abort_if_named(point: Point) {
    static NAMED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static REACHED: AtomicU64 = AtomicU64::new(0);
    let parse = |text: String| text.rsplit_once(':').and_then(|(name, nth)| Some((name.to_owned(), nth.parse().ok()?)));
    let Some((name, nth)) = NAMED.get_or_init(|| std::env::var(VARIABLE).ok().and_then(parse)) else { return };
    if format!("{point:?}") == *name && REACHED.fetch_add(1, Relaxed) + 1 == *nth {
        std::process::abort();
    }
}

#[cfg(test)]
mod tests {
    use super::{Died, arm, disarm, take_reached};
    use crate::{Point, point};

    fn dies(at: Point) -> Option<Died> {
        std::panic::catch_unwind(|| point(at)).err().and_then(|payload| payload.downcast_ref().copied())
    }

    #[test]
    fn a_thread_dies_once_where_it_was_told_to() {
        arm(Point::ServerBeforeCommit, 1);
        assert_eq!(dies(Point::ServerDecideLogged), None);
        assert_eq!(dies(Point::ServerBeforeCommit), None);
        assert_eq!(dies(Point::ServerBeforeCommit), Some(Died(Point::ServerBeforeCommit)));
        assert_eq!(dies(Point::ServerBeforeCommit), None);
        assert_eq!(take_reached(), [(Point::ServerDecideLogged, 1), (Point::ServerBeforeCommit, 3)].into());
    }

    #[test]
    fn what_was_taken_back_does_not_kill() {
        arm(Point::StoreApplyUndone, 0);
        disarm();
        assert_eq!(dies(Point::StoreApplyUndone), None);
    }
}
