//! `sandboxd`, the supervisor inside every sandbox.
//!
//! | Process | Does | Ends |
//! |---|---|---|
//! | `init` | PID 1: reaps, keeps `serve` alive, orders the stop | with the sandbox |
//! | `serve` | control API, reverse proxy, supervision of the agent | is started again by `init` |
//! | `snapshot` | saves, restores or keeps up the disk, by one order | with its work, or with `serve` |
//! | `run-command`, `run-agent` | one shim per command and one for the agent: holds its pipes, observes its exit | with what it runs |
//! | `echo-agent` | small stand-in for the agent in tests that need many sandboxes | with the sandbox |
//!
//! The shims are why a restart of `serve` loses nothing: what runs, runs under a shim, and the shim records the true outcome.

mod agent;
mod backoff;
mod clock;
mod control;
mod echo_agent;
mod exec;
mod files;
mod http_server;
mod init;
mod persistence;
mod process;
mod proxy;
mod serve;
mod settings;
mod shim;
mod telemetry;
mod uploads;

/// What reads bytes of clients, for the fuzz targets.
pub mod parsers {
    pub use crate::control::query::{output, wait};
    pub use crate::proxy::address::Seen;
    pub use crate::proxy::frames::FrameScanner;
    pub use crate::proxy::headers::{PublicAddress, is_from, is_websocket, to_agent, to_edge};
    pub use crate::proxy::inject::place::{Place, find as find_head};
    pub use crate::proxy::user_activity::{ClientMessages, of_message};
    pub use crate::shim::page::OutputQuery;
}

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "sandboxd", version, about = "Supervisor inside every sandbox")]
struct Cli {
    #[command(subcommand)]
    command: Role,
}

#[derive(Subcommand)]
enum Role {
    /// PID 1 of a sandbox; configured by the MOLT_* variables.
    Init(Box<settings::InitArgs>),
    /// Control API, proxy and supervision; started by `init`, which hands it its settings on standard input.
    #[command(hide = true)]
    Serve,
    /// Saves, restores or keeps up the disk: does the one order of standard input, and reports to standard output.
    #[command(hide = true)]
    Snapshot,
    /// Shim of one command; standard input is its control socket.
    #[command(hide = true)]
    RunCommand,
    /// Shim of the agent; standard input is its control socket.
    #[command(hide = true)]
    RunAgent,
    /// Merges the platform's keys into the agent's configuration, as the agent's own user.
    #[command(hide = true)]
    WriteAgentConfig,
    /// Reads the agent's configuration, as the agent's own user.
    #[command(hide = true)]
    ReadAgentConfig,
    /// Notes which model in the agent's configuration is only a default, as the agent's own user.
    #[command(hide = true)]
    NoteDefaultModel,
    /// Removes lock files of processes that are gone from the agent's state, as the agent's own user.
    #[command(hide = true)]
    SweepAgentLocks,
    /// HTTP and WebSocket echo server that behaves like an agent.
    EchoAgent(echo_agent::EchoArgs),
}

/// Becomes the process that the command line names.
#[must_use]
pub fn run() -> ExitCode {
    telemetry::init();
    match Cli::parse().command {
        Role::Init(args) => init::run(&args),
        Role::Serve => serve::run(),
        Role::Snapshot => persistence::role::run(),
        Role::RunCommand => shim::command::run(),
        Role::RunAgent => shim::agent::run(),
        Role::WriteAgentConfig => agent::config_file::run_write(),
        Role::ReadAgentConfig => agent::config_file::run_read(),
        Role::NoteDefaultModel => agent::config_file::run_note(),
        Role::SweepAgentLocks => agent::locks::run(),
        Role::EchoAgent(args) => echo_agent::run(&args),
    }
}
