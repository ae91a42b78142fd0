//! The session against a storage and a connection that the test plays by hand.

mod arbitrary;
mod limits;
mod opening;
mod request;
mod rig;
mod streaming;
mod subscribing;
