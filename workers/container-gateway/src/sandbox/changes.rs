//! Changes of the sandbox (`molt_lifecycle::change`): keeps them, has the alarm drive them, and tells of them elsewhere.

pub mod calls;
pub mod drive;

mod choice;
pub mod notes;
pub mod store;
pub mod tier_copy;

pub use store::{SCHEMA, under_way};
