//! Commands: checked, started under a shim, found again after a restart.

mod executor;
mod journal;
mod known;
mod refusal;
mod retention;
mod validate;

pub use executor::Executor;
pub use refusal::StartRefusal;
