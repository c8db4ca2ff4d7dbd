//! `molt`: the operator's command line over the admin API.
//!
//! The address comes from `--url` or `MOLT_URL`, the secret from `MOLT_ADMIN_SECRET` only: arguments are readable by every process of
//! the machine.
#![forbid(unsafe_code)]

mod client;
mod exec;
mod show;

use clap::{Parser, Subcommand};
use client::{Client, ClientError};
use std::process::ExitCode;

/// Operates a Moltworker deployment.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "The admin secret is read from the environment variable MOLT_ADMIN_SECRET."
)]
struct Arguments {
    /// Address of the router, e.g. https://agents.example.com
    #[arg(long, env = "MOLT_URL", global = true, default_value = "http://127.0.0.1:8787")]
    url: String,
    /// Prints the API's JSON instead of a table.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Asks the router whether it is well.
    Health,
    /// Lists users.
    Users,
    /// Shows the stored state of one sandbox, or of all.
    State {
        /// User id or name.
        user: Option<String>,
    },
    /// Runs a command in a user's sandbox; ends with its exit code.
    Exec {
        /// User id or name.
        user: String,
        /// Milliseconds until the command is stopped; 30,000 when not given, at most a day.
        #[arg(long)]
        timeout_ms: Option<u64>,
        /// Program and arguments, after `--`. A single one is a command line for sh.
        #[arg(required = true, last = true)]
        argv: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("molt: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, ClientError> {
    let client = Client::new(&arguments.url)?;
    match &arguments.command {
        Command::Health => show::health(&client.get("/health", false)?, arguments.json),
        Command::Users => show::users(&client.list("/api/super/users")?, arguments.json),
        Command::State { user: None } => show::states(&client.list("/api/super/state/dashboard")?, arguments.json),
        Command::State { user: Some(user) } => {
            let id = client.user(user)?;
            show::states(
                &[client.get(&format!("/api/super/users/{id}/state"), true)?],
                arguments.json,
            );
        }
        Command::Exec { user, timeout_ms, argv } => {
            return exec::run(&client, &client.user(user)?, argv, *timeout_ms, arguments.json);
        }
    }
    Ok(ExitCode::SUCCESS)
}
