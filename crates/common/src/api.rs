//! Request and answer types of the admin API (`/api/super`).

pub mod backups;
pub mod bulk;
pub mod config;
pub mod cost;
pub mod disk_state;
pub mod exec;
pub mod flags;
pub mod jobs;
pub mod legacy;
pub mod lifecycle;
pub mod outbound;
pub mod recovery;
pub mod removal;
pub mod secrets;
pub mod state;
pub mod users;

pub use exec::{
    EXEC_TIMEOUT_DEFAULT_MS, EXEC_TIMEOUT_MAX_MS, ExecAccepted, ExecRequest, ExecStatus, JobState,
    OUTPUT_DEFAULT_BYTES, OUTPUT_MAX_BYTES,
};
pub use state::{LiveState, Probe, SandboxState, StateWord};
