//! The child that does one order, as `serve` sees it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use molt_common::control::snapshot::SaveStage;
use molt_snapshots::order::{Order, Outcome, Report};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::time::{Instant, sleep, timeout_at};

use crate::agent::is_own;
use crate::process::confine::{Confinement, confine};
use crate::process::own_program::own_program;
use crate::process::rlimits::Rlimits;
use crate::process::tree::living_below;

/// First argument of the child.
pub const ROLE: &str = "snapshot";
/// It goes first when memory is short, before commands (800): it is simply taken up again.
const OOM_SCORE_ADJ: u16 = 900;
/// It gives way to the agent and to commands (5).
const NICENESS: u8 = 10;
/// How long what an earlier `serve` has left may take to go after KILL.
const SWEEP_PATIENCE: Duration = Duration::from_secs(5);

/// How far a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Of a save.
    pub stage: Option<SaveStage>,
    /// Files so far.
    pub files: u64,
    /// Bytes so far.
    pub bytes: u64,
    /// Moves while a save copies and checks databases.
    pub steps: u64,
    /// Bytes altogether, once known.
    pub total_bytes: Option<u64>,
}

/// Why an order was not carried out. It harmed nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// For people.
    pub error: String,
    /// Whether the same may succeed later.
    pub transient: bool,
}

impl Failure {
    /// One that may pass.
    pub fn passing(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            transient: true,
        }
    }

    /// One that stays.
    pub fn lasting(error: impl Into<String>) -> Self {
        Self {
            error: error.into(),
            transient: false,
        }
    }
}

/// Has a child carry out `order` until `deadline`. `cut` ends it before, and says why; it is gone when this returns.
pub async fn carry_out(
    program: Option<&Path>,
    order: &Order,
    deadline: Instant,
    cut: impl Future<Output = &'static str>,
    mut on_progress: impl FnMut(Progress),
) -> Result<Outcome, Failure> {
    let start = |error: std::io::Error| Failure::passing(format!("its process did not start: {error}"));
    let program: PathBuf = program
        .map_or_else(own_program, |program| Ok(program.to_owned()))
        .map_err(start)?;
    let mut command = Command::new(program);
    command
        .arg(ROLE)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit());
    if let Ok(level) = std::env::var("RUST_LOG") {
        command.env("RUST_LOG", level);
    }
    let confinement = Confinement {
        // It reads and restores files of every owner.
        ids: None,
        cwd: order.work_dir.clone(),
        oom_score_adj: OOM_SCORE_ADJ,
        niceness: NICENESS,
        rlimits: Rlimits::default(),
    };
    // It ends with the thread that starts it, one of the runtime's, which ends with `serve`.
    confine(&mut command, &confinement).map_err(start)?;
    let mut child = tokio::process::Command::from(command)
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let follow = async {
        let lost = || Failure::passing("its process has no pipe");
        let (mut order_pipe, reports) = (
            child.stdin.take().ok_or_else(lost)?,
            child.stdout.take().ok_or_else(lost)?,
        );
        let bytes = serde_json::to_vec(order).map_err(|_| Failure::lasting("the order cannot be written"))?;
        // One that dies before it reads is seen below.
        let _ = order_pipe.write_all(&bytes).await;
        drop(order_pipe);
        let mut lines = BufReader::new(reports).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            match serde_json::from_str(&line) {
                Ok(Report::Progress {
                    stage,
                    files,
                    bytes,
                    steps,
                    total_bytes,
                }) => on_progress(Progress {
                    stage,
                    files,
                    bytes,
                    steps,
                    total_bytes,
                }),
                Ok(Report::Done { outcome }) => return Ok(*outcome),
                Ok(Report::Failed { error, transient }) => return Err(Failure { error, transient }),
                Err(_) => return Err(Failure::lasting("its process said what nobody understands")),
            }
        }
        Err(Failure::passing("its process was cut off"))
    };
    let outcome = tokio::select! {
        followed = timeout_at(deadline, follow) => {
            followed.unwrap_or_else(|_| Err(Failure::passing("it took too long")))
        }
        why = cut => Err(Failure::passing(why)),
    };
    // Whatever it said: the next one begins when this one is gone.
    let _ = child.kill().await;
    outcome
}

/// Ends children of an earlier `serve`. They end with it by themselves; this is for one that was just being started.
pub async fn sweep() {
    let deadline = Instant::now() + SWEEP_PATIENCE;
    loop {
        let init = getppid().as_raw();
        let own = std::process::id().cast_signed();
        let left: Vec<i32> = living_below(init)
            .into_iter()
            .filter(|member| member.parent != own && is_own(member.pid, ROLE))
            .map(|member| member.pid)
            .collect();
        if left.is_empty() || Instant::now() >= deadline {
            return;
        }
        for pid in left {
            tracing::warn!(pid, "ends what an earlier serve had begun");
            // It may have ended since.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        sleep(Duration::from_millis(10)).await;
    }
}
