//! The control plane as one archive, and back (docs/recovery.md).

pub mod database;
pub mod export;
mod members;
pub mod restore;
pub mod under_way;
