//! The agent: its configuration, its start, its readiness, and what happens when it ends.

mod admission;
mod as_agent;
mod cause;
pub mod config;
pub mod config_file;
mod launch;
mod leftovers;
mod link;
pub mod locks;
mod port;
mod readiness;
mod restarts;
mod schedule;
mod supervisor;
mod suspension;
mod work;

pub use restarts::{RestartRefusal, Restarts};
pub use supervisor::{AgentState, Supervisor};
pub use work::{AgentWork, observe as observe_work};

/// Header in which the agent finds the verified user. The proxy overwrites it on every request; the agent accepts it from loopback only.
pub const USER_HEADER: &str = "x-openclaw-user";
