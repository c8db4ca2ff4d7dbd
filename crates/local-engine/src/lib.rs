//! A container engine for development and tests that needs no containers: it answers the calls that the edge's runtime makes to a
//! Docker Engine, and runs each "container" as a group of processes in a private world.
//!
//! `serve` is the engine, `docker` the command line that goes with it. See README.md for the picture.

mod api;
mod cgroup;
mod cli;
mod container;
mod docker_cli;
mod egress;
mod engine;
mod error;
mod forward;
mod glob;
mod identity;
mod images;
mod launch;
mod limits;
mod logs;
mod netns;
mod process;
mod relay;
mod removal;
mod run_dir;
mod serve;
mod signals;
mod uid_range;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

/// What reads bytes of a sandbox, for the fuzz targets.
pub mod parsers {
    pub use crate::egress::sniff::{Sniffed, sniff};
}

/// Becomes the engine, the command line that goes with it, or one of their helpers.
#[must_use]
pub fn run() -> ExitCode {
    let mut args = std::env::args();
    let called = args.next().unwrap_or_default();
    if std::path::Path::new(&called)
        .file_name()
        .is_some_and(|name| name == "docker")
    {
        return docker_cli::run(&args.collect::<Vec<_>>());
    }
    // The helpers must not have a second thread, so the runtime comes later.
    let outcome = match Cli::parse().command {
        Command::Docker { args } => return docker_cli::run(&args),
        Command::Hold { engine, privileged } => {
            netns::holder::run(engine, privileged).map_err(|error| error.to_string())
        }
        Command::Launch => launch::launcher::run()
            .map(|never| match never {})
            .map_err(|error| error.to_string()),
        Command::Enter {
            report_fd,
            program,
            args,
        } => launch::enter::run(report_fd, &program, &args)
            .map(|never| match never {})
            .map_err(|error| error.to_string()),
        Command::Serve(args) => {
            let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "info".into());
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(std::io::stderr)
                .with_ansi(std::io::stderr().is_terminal())
                .with_target(false)
                .init();
            match tokio::runtime::Runtime::new() {
                Ok(runtime) => runtime.block_on(serve::serve(args)).map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            }
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("local-engine: {error}");
            ExitCode::FAILURE
        }
    }
}
