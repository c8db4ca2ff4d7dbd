//! Commands: checked, started under a shim, found again after a restart.

mod journal;
mod retention;
mod table;
mod text;
mod validate;

pub use table::{Executor, StartRefusal};
