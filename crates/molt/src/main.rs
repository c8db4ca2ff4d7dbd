//! `molt`: the operator's command line over the admin API.
//!
//! The address comes from `--url` or `MOLT_URL`, the admin secret or an admin key from `MOLT_ADMIN_SECRET` only: arguments are readable by
//! every process of the machine.
#![forbid(unsafe_code)]

mod audit;
mod backups;
mod bulk;
mod client;
mod config;
mod confirm;
mod console;
mod cost;
mod exec;
mod files;
mod flags;
mod follow;
mod jobs;
mod keys;
mod lifecycle;
mod migrate;
mod outbound;
mod recovery;
mod secrets;
mod show;
mod users;

use clap::{Parser, Subcommand};
use client::{Client, ClientError};
use molt_common::sandbox_call::Lifecycle;
use std::process::ExitCode;

/// Where `scripts/dev` listens.
const DEFAULT_URL: &str = "http://127.0.0.1:8787";
/// Options of all commands stand below those of one.
const EVERYWHERE: &str = "Options of every command";

/// Operates a Moltworker deployment.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "The admin secret, or an admin key (molt_…) in its place, is read from the environment variable MOLT_ADMIN_SECRET.\n\n\
                  Exit codes: 0 done, 2 not done. Besides:\n  \
                  exec, jobs attach      as the command ended, see `molt exec --help`\n  \
                  bulk, jobs watch       1 when not everything succeeded, 130 interrupted\n  \
                  wake, restart, reset, destroy, tier, image, backups, users remove  the same\n  \
                  audit verify           1 for a broken chain\n  \
                  migrate                1 when a check failed and it was undone, 2 not begun, 3 when somebody has to look, 130 interrupted"
)]
struct Arguments {
    /// Address of the router, e.g. https://agents.example.com
    #[arg(long, env = "MOLT_URL", global = true, default_value = DEFAULT_URL, help_heading = EVERYWHERE)]
    url: String,
    /// Prints the API's JSON instead of a table.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Asks the router whether it is well.
    Health,
    /// Lists users; creates, changes, suspends, reinstates, invites, exports and removes them.
    Users {
        #[command(subcommand)]
        action: Option<users::Action>,
    },
    /// Lists, makes and revokes admin keys.
    Keys {
        #[command(subcommand)]
        action: keys::Action,
    },
    /// Shows and changes feature flags. Routers obey within seconds.
    Flags {
        #[command(subcommand)]
        action: flags::Action,
    },
    /// Verifies the audit trail.
    Audit {
        #[command(subcommand)]
        action: audit::Action,
    },
    /// Moves a deployment from what ran before to the new workers, and back.
    Migrate {
        #[command(subcommand)]
        action: Box<migrate::Action>,
    },
    /// Exports the whole control plane into an archive, verifies one, and restores it into an empty platform.
    Recovery {
        #[command(subcommand)]
        action: recovery::Action,
    },
    /// Shows the stored state of one sandbox, or of all.
    State {
        /// User id or name.
        user: Option<String>,
        /// Asks a running sandbox how it is now, which changes nothing
        #[arg(long, requires = "user")]
        probe: bool,
        /// Only sandboxes that stand there, such as running or failed
        #[arg(long, conflicts_with = "user", value_parser = lifecycle_word)]
        lifecycle: Option<Lifecycle>,
    },
    /// Wakes a user's sandbox and waits until it runs. A running one is left alone.
    Wake(lifecycle::Wake),
    /// Restarts a user's agent, or with `--scope sandbox` the whole sandbox, and waits until it runs again.
    Restart(lifecycle::Restart),
    /// Kills everything in a user's sandbox at once and starts it with what was saved last, whatever else is under way.
    Reset(lifecycle::Reset),
    /// Stops a user's sandbox at once and discards its disk. Asks first; `--yes` in scripts.
    Destroy(lifecycle::Destroy),
    /// Gives a user's sandbox another tier; a running one is started again with it.
    Tier(lifecycle::Tier),
    /// Shows the image of a user's sandbox, or chooses it; a running one is started again from it.
    Image(lifecycle::Image),
    /// Shows when a user's sandbox may sleep, or says it.
    KeepAlive(lifecycle::KeepAlive),
    /// Shows and sets which hosts of the internet a user's sandbox reaches.
    Outbound {
        #[command(subcommand)]
        action: outbound::Action,
    },
    /// Shows and changes the configuration of a user's agent, with its history.
    Config {
        #[command(subcommand)]
        action: config::Action,
    },
    /// Lists, sets and removes secrets of a user: his own keys of providers, and tokens of his agent's channels.
    Secrets {
        #[command(subcommand)]
        action: secrets::Action,
    },
    /// Shows what users cost: what is measured, and what that comes to at published rates.
    Cost(cost::Cost),
    /// Shows and changes how far a user's agent may go with providers.
    Budget {
        #[command(subcommand)]
        action: cost::BudgetAction,
    },
    /// Runs a command in a user's sandbox, passes on its output while it runs, and ends with its exit code.
    ///
    /// A broken connection is taken up again where it broke. When the reader of the output goes away, or on `detach`, the command goes on;
    /// `molt jobs attach` follows it again.
    #[command(after_help = exec::EXIT_CODES)]
    Exec(Box<exec::Exec>),
    /// Lists, makes, restores and verifies the snapshots of a user's sandbox.
    Backups {
        #[command(subcommand)]
        action: Box<backups::Action>,
    },
    /// Lists, reads, writes and removes files of a user's sandbox, and reads those of its snapshots. Nothing is started for them.
    Files {
        #[command(subcommand)]
        action: files::Action,
    },
    /// Runs a command in the sandboxes of many users, restarts them, or patches their configuration.
    Bulk {
        #[command(subcommand)]
        action: bulk::Action,
    },
    /// Lists, follows and cancels what goes on: commands, changes of sandboxes, and work for many users.
    Jobs {
        #[command(subcommand)]
        action: jobs::Action,
    },
}

fn lifecycle_word(text: &str) -> Result<Lifecycle, String> {
    let all = Lifecycle::ALL.map(Lifecycle::word).join(", ");
    Lifecycle::parse(text).ok_or_else(|| format!("must be one of {all}"))
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
    let json = arguments.json;
    match &arguments.command {
        Command::Health => show::health(&client.get("/health", false)?, json)?,
        Command::Users { action } => return users::run(&client, action.as_ref(), json),
        Command::Keys { action } => keys::run(&client, action, json)?,
        Command::Flags { action } => flags::run(&client, action, json)?,
        Command::Audit { action } => return audit::run(&client, action, json),
        Command::Migrate { action } => return Ok(migrate::run(action, &arguments.url, json)),
        Command::Recovery { action } => recovery::run(&client, action, json)?,
        Command::State {
            user: None, lifecycle, ..
        } => {
            let filter = lifecycle.map(|wanted| format!("?lifecycle={}", wanted.word()));
            let path = format!("/api/super/state/dashboard{}", filter.unwrap_or_default());
            show::state::states(&client.list(&path, "users")?, json)?;
        }
        Command::State {
            user: Some(user),
            probe,
            ..
        } => {
            let id = client.user(user)?;
            let question = if *probe { "?probe=1" } else { "" };
            let state = client.get(&format!("/api/super/users/{id}/state{question}"), true)?;
            show::state::state(&state, json)?;
        }
        Command::Wake(asked) => return lifecycle::wake(&client, asked, json),
        Command::Restart(asked) => return lifecycle::restart(&client, asked, json),
        Command::Reset(asked) => return lifecycle::reset(&client, asked, json),
        Command::Destroy(asked) => return lifecycle::destroy(&client, asked, json),
        Command::Tier(asked) => return lifecycle::tier(&client, asked, json),
        Command::Image(asked) => return lifecycle::image(&client, asked, json),
        Command::KeepAlive(asked) => lifecycle::keep_alive(&client, asked, json)?,
        Command::Outbound { action } => outbound::run(&client, action, json)?,
        Command::Config { action } => config::run(&client, action, json)?,
        Command::Secrets { action } => secrets::run(&client, action, json)?,
        Command::Cost(asked) => cost::cost(&client, asked, json)?,
        Command::Budget { action } => cost::budget(&client, action, json)?,
        Command::Exec(exec) => return exec::run(&client, exec, json),
        Command::Backups { action } => return backups::run(&client, action, json),
        Command::Files { action } => files::run(&client, action, json)?,
        Command::Bulk { action } => return bulk::run(&client, action, json),
        Command::Jobs { action } => return jobs::run(&client, action, json),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
#[path = "command_line_tests.rs"]
mod tests;
