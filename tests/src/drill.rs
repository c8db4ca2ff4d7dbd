//! What drills share: a stack, a closing line, an exit code that tells the truth.

use crate::stack::{self, Stack};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// Runs a drill on a stack of its own with these further flags, or on the developer's. 0 when it passed, else 1.
#[must_use]
pub fn run(name: &str, flags: &[&str], drill: impl AsyncFnOnce(&Stack)) -> ExitCode {
    run_alone(name, async || {
        let started = match std::env::var_os(stack::VARIABLE) {
            Some(file) => Stack::attach(Path::new(&file)),
            None => Stack::start(flags, &stack::state_dir().expect("a folder")).await,
        };
        let stack = started.unwrap_or_else(|error| panic!("{error}"));
        drill(&stack).await;
        if stack.is_own() {
            stack.stop().await.assert_clean();
        }
    })
}

/// Runs a drill that starts its own stacks. 0 when it passed, else 1.
#[must_use]
pub fn run_alone(name: &str, drill: impl AsyncFnOnce()) -> ExitCode {
    let Ok(runtime) = Runtime::new() else {
        eprintln!("drill {name}: no threads");
        return ExitCode::FAILURE;
    };
    // A stack that is dropped on the way stops its processes.
    let outcome = catch_unwind(AssertUnwindSafe(|| runtime.block_on(drill())));
    println!("drill {name}: {}", if outcome.is_ok() { "passed" } else { "FAILED" });
    if outcome.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
