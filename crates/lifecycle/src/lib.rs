//! The decisions about a sandbox's life and about work in it, as `step(state, event, now) -> actions`.
//!
//! No I/O and no clock: Durable Objects feed events in, perform the actions and store the state.
#![forbid(unsafe_code)]

pub mod bulk;
pub mod change;
pub mod exec;
pub mod job;
pub mod metering;
pub mod ownership;
pub mod removal;
pub mod sandbox;
pub mod snapshots;
