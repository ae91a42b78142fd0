//! The checksum of a bucket: whether a replica holds the rows that the server means.
//!
//! It is a sum over rows, so that each side can keep it up to date row by row, in any order. It finds
//! mistakes, not malice.

use crate::{Value, changeset, limits};
use xxhash_rust::xxh3::xxh3_64;

/// The sum of the checksums of rows, modulo 2^53.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum(pub u64);

impl Checksum {
    /// Of one row as it is sent: the low 53 bits of XXH3 over its values in the order of `columns`, each as a changeset has it.
    pub fn of_row(row: &[Value]) -> Self {
        let mut bytes = Vec::with_capacity(row.len() * 16);
        row.iter().for_each(|value| changeset::put_value(&mut bytes, Some(value)));
        Self(xxh3_64(&bytes) & limits::MAX_COUNTER)
    }

    /// With a row more.
    #[must_use]
    pub fn plus(self, row: Self) -> Self {
        Self(self.0.wrapping_add(row.0) & limits::MAX_COUNTER)
    }

    /// With a row less.
    #[must_use]
    pub fn minus(self, row: Self) -> Self {
        Self(self.0.wrapping_sub(row.0) & limits::MAX_COUNTER)
    }
}
