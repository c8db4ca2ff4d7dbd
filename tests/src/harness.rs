//! Glue between tests and the runner: one stack for a group of tests, a time limit for each, and the closing lines of `cargo test`.

use crate::secrets;
use crate::stack::{self, Stack};
use libtest_mimic::{Arguments, Completion, Conclusion, Trial};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

/// A test that takes longer hangs.
const TEST_LIMIT: Duration = Duration::from_secs(240);

/// Tests that share a stack. It is started by the first that needs it and stopped after the last.
pub struct Group {
    name: &'static str,
    flags: &'static [&'static str],
    runtime: Runtime,
    stack: OnceCell<Result<Arc<Stack>, String>>,
}

impl Group {
    /// A group with these further flags for `scripts/dev`.
    ///
    /// # Panics
    /// When no threads can be had.
    #[must_use]
    pub fn new(name: &'static str, flags: &'static [&'static str]) -> Arc<Self> {
        let runtime = Runtime::new().expect("threads");
        Arc::new(Self {
            name,
            flags,
            runtime,
            stack: OnceCell::new(),
        })
    }

    async fn stack(&self) -> Result<Arc<Stack>, String> {
        let stack = self.stack.get_or_init(async || {
            let started = match std::env::var_os(stack::VARIABLE) {
                Some(file) => Stack::attach(Path::new(&file)),
                None => Stack::start(self.flags, &stack::state_dir().map_err(|error| error.to_string())?).await,
            };
            started.map(Arc::new).map_err(|error| error.to_string())
        });
        stack.await.clone()
    }

    /// A test of the shared stack.
    pub fn shared<F>(self: &Arc<Self>, name: &str, test: fn(Arc<Stack>) -> F) -> Trial
    where
        F: Future<Output = ()> + 'static,
    {
        let group = Arc::clone(self);
        Trial::test(name, move || {
            group.runtime.block_on(async {
                let stack = group.stack().await?;
                limited(test(stack)).await
            })
        })
    }

    /// A test that starts stacks of its own; left out when a developer's stack is to be used.
    pub fn alone<F>(self: &Arc<Self>, name: &str, test: fn() -> F) -> Trial
    where
        F: Future<Output = ()> + 'static,
    {
        let group = Arc::clone(self);
        Trial::ignorable_test(name, move || {
            if std::env::var_os(stack::VARIABLE).is_some() {
                return Ok(Completion::ignored_with("it starts and stops stacks of its own"));
            }
            group.runtime.block_on(test());
            Ok(Completion::Completed)
        })
    }

    /// Runs the tests that the command line selects, `threads` at a time unless it says otherwise, and stops the stack.
    #[must_use]
    pub fn run(&self, threads: usize, trials: Vec<Trial>) -> ExitCode {
        let mut arguments = Arguments::from_args();
        arguments.test_threads = arguments.test_threads.or(Some(threads));
        let conclusion = libtest_mimic::run(&arguments, trials);
        if self.wind_up(&conclusion) {
            conclusion.exit_code()
        } else {
            ExitCode::from(101)
        }
    }

    /// Stops the stack whatever happened. Whether that went as it should.
    fn wind_up(&self, conclusion: &Conclusion) -> bool {
        let Some(Ok(stack)) = self.stack.get() else { return true };
        if conclusion.has_failed() {
            stack.keep_logs(self.name);
        }
        if !stack.is_own() {
            return true;
        }
        let stopped = self.runtime.block_on(stack.stop());
        for process in &stopped.left {
            eprintln!("error: left behind: {} {}", process.pid, process.command);
        }
        for leak in &stopped.leaked {
            eprintln!("error: a secret is in a log: {leak}");
        }
        println!("{} secrets were looked for in the logs of the stack", secrets::known());
        let ended = stopped.status.is_some_and(|status| status.success());
        if !ended {
            eprintln!("error: the stack did not end as it should: {:?}", stopped.status);
        }
        ended && stopped.left.is_empty() && stopped.leaked.is_empty()
    }
}

async fn limited(test: impl Future<Output = ()>) -> Result<(), libtest_mimic::Failed> {
    let outcome = tokio::time::timeout(TEST_LIMIT, test).await;
    outcome.map_err(|_| format!("it hangs: not done after {TEST_LIMIT:?}").into())
}

/// The trials of a group, named `module::function`.
#[macro_export]
macro_rules! trials {
    ($group:expr, $kind:ident; $($module:ident { $($name:ident),* $(,)? })*) => {
        vec![$($($group.$kind(concat!(stringify!($module), "::", stringify!($name)), $module::$name)),*),*]
    };
}
