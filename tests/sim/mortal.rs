//! Processes that die at named points: the unwinding ends here, and what they had in memory is dropped.

use seaworthy_fault::Died;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs what a process does. `None`: it died, and nothing that it had in memory may be used any more.
pub fn alive<T>(run: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(done) => Some(done),
        Err(payload) if payload.is::<Died>() => None,
        Err(payload) => resume_unwind(payload),
    }
}
