//! A shim is the process between `serve` and something that runs: it holds the pipes, observes the exit and records it.
//!
//! `serve` may be killed and started again while a command or the agent runs. Were they its children, their output pipes would break and
//! nobody could ever tell their exit code. So each runs under a shim, as container runtimes do it; `serve` talks to the shim over a Unix
//! socket in its closed state folder and finds it again there after a restart. A socket that nobody answers means that the shim is gone.

pub mod agent;
mod child;
pub mod client;
pub mod command;
mod extent;
pub mod line_log;
pub mod output;
pub mod page;
pub mod recorded;
mod server;
mod watch;
mod wire;

pub use child::record;
pub use extent::Extent;
pub use wire::{AgentReport, AgentSpec, CommandSpec, Launch, running_report};
