//! The agent: its configuration, its start, its readiness, and what happens when it ends.

mod admission;
mod as_agent;
mod cause;
mod config_check;
pub mod config_file;
mod config_link;
mod config_watch;
mod configuration;
mod default_model;
mod disk;
mod handed_providers;
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

pub use config_check::PATH_VARIABLE as CHECKED_PATH_VARIABLE;
pub use config_watch::observe as observe_configuration;
pub use configuration::{ConfigRefusal, Configuration};
pub use disk::Disk;
pub use handed_providers::{HandedProviders, ProvidersRefusal};
pub use leftovers::is_own;
pub use link::PASSWORD_VARIABLE;
pub use restarts::{RestartRefusal, Restarts};
pub use supervisor::{AgentState, Supervisor};
pub use work::{AgentWork, observe as observe_work};

/// Header in which the agent finds the verified user. The proxy overwrites it on every request; the agent accepts it from loopback only.
pub use molt_common::agent_config::USER_HEADER;
