//! Work in the agent's home, by a process of the agent's own user: the agent may have put links there, and must not gain by them what only we may do.

use std::io::{self, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::AsyncWriteExt;

use crate::process::confine::{Confinement, confine};
use crate::process::hardening;
use crate::settings::Layout;

const PATIENCE: Duration = Duration::from_secs(15);

/// Has `sandboxd <role>` work on `order`, and returns its answer.
pub async fn ask<T: DeserializeOwned>(layout: &Layout, role: &str, order: &impl Serialize) -> io::Result<T> {
    ask_within(layout, role, order, PATIENCE).await
}

/// [`ask`] for what may take longer.
pub async fn ask_within<T: DeserializeOwned>(
    layout: &Layout,
    role: &str,
    order: &impl Serialize,
    patience: Duration,
) -> io::Result<T> {
    let mut command = Command::new(crate::process::own_program::own_program()?);
    command
        .arg(role)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    confine(
        &mut command,
        &Confinement::of_agent_user(layout, layout.home.clone(), 0),
    )?;
    // The process ends when the thread that started it ends; `kill_on_drop` covers the time-out.
    let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
    let mut pipe = child.stdin.take().ok_or_else(|| io::Error::other("no pipe"))?;
    let work = async {
        pipe.write_all(&serde_json::to_vec(order)?).await?;
        drop(pipe);
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            return Err(io::Error::other(format!(
                "the process for it ended with {}",
                output.status
            )));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    };
    tokio::time::timeout(patience, work).await?
}

/// The other end: `work` on the order of standard input, its answer to standard output.
pub fn answer<O: DeserializeOwned, T: Serialize>(work: impl FnOnce(O) -> io::Result<T>) -> ExitCode {
    hardening::make_undumpable();
    let all = || -> io::Result<()> {
        let mut order = Vec::new();
        io::stdin().read_to_end(&mut order)?;
        let answer = work(serde_json::from_slice(&order)?)?;
        serde_json::to_writer(io::stdout(), &answer)?;
        io::stdout().flush()
    };
    match all() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "cannot work in the agent's home");
            ExitCode::FAILURE
        }
    }
}
