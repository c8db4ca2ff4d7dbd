//! The configuration of the sandbox's agent: its history, where each version is, and getting it to the agent.

pub mod calls;
pub mod drive;
pub mod edit;
mod notes;
pub mod reach;
pub mod store;
pub mod turn;

pub use store::SCHEMA;

use crate::sandbox_do::Sandbox;
use worker::Result;

/// An older point is restored on purpose: what its disk holds counts from then on, but for what was staged. Call it in the transaction that accepts that.
pub fn follow_disk(object: &Sandbox) -> Result<()> {
    let versions = store::Versions::of(object)?;
    let mut standing = versions.standing()?;
    standing.follow_next();
    versions.set_standing(&standing)
}

/// Whether a start waits to be told what its configuration is to be.
pub fn has_any(object: &Sandbox) -> Result<bool> {
    Ok(store::Versions::of(object)?.standing()?.current().is_some())
}
