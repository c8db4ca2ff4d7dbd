//! The operator's command line, as it was built last, run as operators run it.

use crate::launch::root;
use crate::stack::Stack;
use crate::wait::within;
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The CLI gives an answer up after a minute.
const LIMIT: Duration = Duration::from_secs(70);

/// How a run of `molt` ended.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    /// Standard output of a run that ended with 0.
    ///
    /// # Panics
    /// When it ended otherwise.
    pub fn done(&self) -> &str {
        assert_eq!(self.code, Some(0), "{self:?}");
        &self.stdout
    }

    /// [`Self::done`], as JSON.
    ///
    /// # Panics
    /// When it ended otherwise or wrote something else.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(self.done()).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// # Panics
    /// When it did not end with 2, having written nothing to standard output and this to standard error.
    pub fn refused(&self, saying: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""), "{self:?}");
        assert!(self.stderr.contains(saying), "{saying:?} is not said: {self:?}");
    }
}

/// Runs `molt` at this address with this secret, writing to `stdout`, and waits for its end. Nothing else of the environment reaches it.
///
/// # Panics
/// When it does not start or does not end.
pub async fn molt_to(stdout: Stdio, url: &str, secret: Option<&str>, arguments: &[&str]) -> Ended {
    let mut command = molt_command(url, secret, arguments);
    let child = command.stdout(stdout).spawn().expect("build/bin/molt starts");
    let output = within("molt has ended", LIMIT, child.wait_with_output()).await;
    let output = output.expect("its output");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// `molt` at this address with this secret: nothing to read, output piped, nothing else in its environment, killed when nobody waits for it.
#[must_use]
pub fn molt_command(url: &str, secret: Option<&str>, arguments: &[&str]) -> Command {
    let mut command = Command::new(root().join("build/bin/molt"));
    command.args(arguments).env_clear().env("MOLT_URL", url);
    command.envs(secret.map(|secret| ("MOLT_ADMIN_SECRET", secret)));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.kill_on_drop(true);
    command
}

impl Stack {
    /// `molt` with the admin secret at the first router, to be started by the test.
    #[must_use]
    pub fn molt_command(&self, arguments: &[&str]) -> Command {
        molt_command(&self.ready.url, Some(&self.ready.admin_secret), arguments)
    }

    /// Runs `molt` with this secret or key at the first router.
    ///
    /// # Panics
    /// See [`molt_to`].
    pub async fn molt_as(&self, secret: &str, arguments: &[&str]) -> Ended {
        molt_to(Stdio::piped(), &self.ready.url, Some(secret), arguments).await
    }

    /// Runs `molt` with the admin secret at the first router.
    ///
    /// # Panics
    /// See [`molt_to`].
    pub async fn molt(&self, arguments: &[&str]) -> Ended {
        self.molt_as(&self.ready.admin_secret, arguments).await
    }
}
