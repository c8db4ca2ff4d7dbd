//! Starting, watching and ending processes.

pub mod confine;
pub mod environment;
pub mod exit;
pub mod hardening;
pub mod memory;
pub mod own_program;
pub mod reaper;
pub mod rlimits;
pub mod tree;
