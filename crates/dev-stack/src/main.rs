//! Brings up the local stack (container engine, workers, demo users), keeps it up, and takes it down without a trace.
#![forbid(unsafe_code)]

mod args;
mod browser;
mod engine;
mod overrides;
mod ports;
mod private_file;
mod process;
mod readiness;
mod ready_file;
mod restart;
mod secrets;
mod stack;
mod state_dir;
mod stop_signal;
mod terminal;
mod users;
mod wrangler;

use std::process::ExitCode;
use std::time::Duration;

use args::{Cli, Command, EnterArgs, GuardArgs, UpArgs};
use clap::Parser;
use process::guard::GuardOrder;
use process::{enter, guard};
use terminal::Terminal;

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Up(args) => up(*args),
        Command::Guard(args) => run_guard(args),
        Command::Enter(args) => run_enter(&args),
    }
}

/// On one thread: the kernel ties a child's life to the *thread* that started it.
fn up(args: UpArgs) -> ExitCode {
    let terminal = Terminal::new();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal.warn(&format!("no event loop: {error}"));
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(stack::up(args, terminal.clone())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.warn(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run_guard(args: GuardArgs) -> ExitCode {
    let order = GuardOrder {
        pid_file: args.pid_file,
        grace: Duration::from_millis(args.grace_ms),
        command: args.command,
    };
    match guard::run(&order) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            Terminal::new().warn(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run_enter(args: &EnterArgs) -> ExitCode {
    let error = match args.guard {
        Some(guard) => enter::bound_to(guard, &args.command),
        None => enter::detached(&args.command),
    };
    Terminal::new().warn(&error.to_string());
    // As shells say it of a program that cannot be executed.
    ExitCode::from(126)
}
