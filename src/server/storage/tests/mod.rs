//! The embedded storage against pushes that real SQLite clients captured.

mod bench;
mod compaction;
mod convergence;
mod costs;
mod deliveries;
mod exactly_once;
mod hearings;
mod keys;
mod memberships;
mod merging;
mod migrations;
mod mirror;
mod policies;
mod policy_model;
mod pulling;
mod rules;
mod starting;
mod tables;
mod write_rules;

use bench::{Bench, Client, principal, user};
