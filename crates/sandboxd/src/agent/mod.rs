//! The agent: its configuration, its start, its readiness, and what happens when it ends.

mod admission;
pub mod config;
pub mod config_file;
mod launch;
mod readiness;
mod supervisor;

pub use supervisor::{AgentState, Supervisor};

/// Header in which the agent finds the verified user. The proxy overwrites it on every request; the agent accepts it from loopback only.
pub const USER_HEADER: &str = "x-openclaw-user";
