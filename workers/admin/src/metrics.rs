//! Figures about the whole fleet, for monitors: counted anew for every answer from what the database holds, which wakes and asks no sandbox.

mod exposition;
mod fleet;
mod rows;

pub use exposition::text;
pub use rows::count;
