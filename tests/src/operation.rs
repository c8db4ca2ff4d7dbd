//! The operators' scripts of the migration, run as operators run them, and what they tell while they work.

use crate::launch::root;
use crate::people::User;
use crate::processes;
use crate::stack::Stack;
use crate::wait::{until, within};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

/// Moves the admin API.
pub const NEW_ARCHITECTURE: &str = "enable-new-architecture.mjs";
/// Moves users.
pub const CONTAINER_GATEWAY: &str = "enable-container-gateway.mjs";
/// Sends everybody back.
pub const ROLLBACK: &str = "rollback-architecture.mjs";

/// A script that runs against the stack with `--local --json`.
pub struct Operation {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
    reader: JoinHandle<()>,
    errors: JoinHandle<String>,
}

/// How a script ended.
#[derive(Debug)]
pub struct Operated {
    /// Its end.
    pub status: ExitStatus,
    /// What it told, in order.
    pub events: Vec<Value>,
    /// Standard error.
    pub stderr: String,
}

impl Operation {
    /// Starts a script.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn start(stack: &Stack, script: &str, arguments: &[&str]) -> Self {
        let node = std::env::var_os("MOLT_NODE").map_or_else(|| PathBuf::from("node"), PathBuf::from);
        let mut command = Command::new(node);
        command
            .arg(root().join("scripts").join(script))
            .args(["--local", "--json", "--ready-file"])
            .arg(stack.ready.state_dir.join("ready.json"))
            .args(arguments)
            // Neither a secret nor a place may come from anywhere but the ready file.
            .env_remove("MOLT_ADMIN_SECRET")
            .env_remove("MOLT_PROBE_TOKEN")
            .env_remove("MOLT_URL")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut child = command.spawn().expect("node starts");
        let (stdout, stderr) = (
            child.stdout.take().expect("a pipe"),
            child.stderr.take().expect("a pipe"),
        );
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let told = Arc::clone(&events);
        let reader = tokio::spawn(async move {
            let mut lines = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                let event = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
                told.lock().expect("the events").push(event);
            }
        });
        let errors = tokio::spawn(async move {
            let mut text = String::new();
            // Whatever could be read of it is better than nothing in a message.
            let _ = BufReader::new(stderr).read_to_string(&mut text).await;
            text
        });
        Self {
            child,
            events,
            reader,
            errors,
        }
    }

    /// What it has told so far.
    ///
    /// # Panics
    /// When it told something that is no JSON.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.events.lock().expect("the events").clone()
    }

    /// Waits until it has told this about this percentage.
    ///
    /// # Panics
    /// When it has not in time.
    pub async fn told(&self, event: &str, percent: u64, limit: Duration) {
        let what = format!("{event} at {percent} % is told");
        until(&what, limit, async || {
            let is_it = |told: &Value| told["event"] == event && told["percent"] == percent;
            self.events().iter().any(is_it).then_some(())
        })
        .await;
    }

    /// Sends a signal to the script itself.
    ///
    /// # Panics
    /// When it has ended.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// Kills the program that the script became, as a power cut would.
    ///
    /// # Panics
    /// When it has ended.
    pub fn kill_program(&self) {
        let all = processes::tree(self.pid().as_raw());
        let program = all.iter().find(|process| process.command.contains("molt migrate"));
        let pid = program.unwrap_or_else(|| panic!("no molt among {all:?}")).pid;
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    }

    fn pid(&self) -> Pid {
        let pid = self.child.id().expect("it runs");
        Pid::from_raw(i32::try_from(pid).expect("a process id"))
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn end(mut self, limit: Duration) -> Operated {
        let status = within("the script has ended", limit, self.child.wait()).await;
        self.reader.await.expect("it tells JSON");
        let stderr = self.errors.await.expect("its errors");
        let events = self.events.lock().expect("the events").clone();
        Operated {
            status: status.expect("an end"),
            events,
            stderr,
        }
    }
}

impl Operated {
    /// # Panics
    /// When it did not end with this code.
    #[track_caller]
    pub fn ended_with(&self, code: i32) -> &Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// The last event of this name.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn event(&self, name: &str) -> &Value {
        let found = self.events.iter().rfind(|event| event["event"] == name);
        found.unwrap_or_else(|| panic!("no event {name}: {self:#?}"))
    }

    /// The percentages about which it told this, in order.
    #[must_use]
    pub fn percentages(&self, name: &str) -> Vec<u64> {
        let events = self.events.iter().filter(|event| event["event"] == name);
        events.filter_map(|event| event["percent"].as_u64()).collect()
    }
}

impl Stack {
    /// Runs a script to its end.
    ///
    /// # Panics
    /// See [`Operation`].
    pub async fn operate(&self, script: &str, arguments: &[&str]) -> Operated {
        Operation::start(self, script, arguments)
            .end(Duration::from_secs(200))
            .await
    }
}

/// A file with a user's token, for `--probe-token-file`.
///
/// # Panics
/// When it cannot be written.
#[must_use]
pub fn token_file(user: &User) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(user.token.as_bytes()).expect("the file is written");
    file
}
