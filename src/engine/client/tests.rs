//! The client against a store and a network that the test plays by hand.

mod arbitrary;
mod auth;
mod connecting;
mod diverging;
mod fetching;
mod frames;
mod keeping;
mod networks;
mod pulling;
mod pushing;
mod rig;
mod subscribing;
