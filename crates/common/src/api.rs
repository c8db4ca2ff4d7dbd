//! Request and answer types of the admin API (`/api/super`).

pub mod bulk;
pub mod exec;
pub mod flags;
pub mod jobs;
pub mod lifecycle;
pub mod state;

pub use exec::{
    EXEC_TIMEOUT_DEFAULT_MS, EXEC_TIMEOUT_MAX_MS, ExecAccepted, ExecRequest, ExecStatus, JobState,
    OUTPUT_DEFAULT_BYTES, OUTPUT_MAX_BYTES,
};
pub use state::{LiveState, Probe, SandboxState, StateWord};
