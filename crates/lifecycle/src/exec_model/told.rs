//! What the parts of the world say, in the words of the contract.

use super::world::{End, LIMIT_MS, Process, Stage, T0, Told};
use molt_common::control::{ExecReport, ExecStart, ExecState};
use molt_common::sandbox_call::{ExecAnswer, Lifecycle, SandboxView};
use molt_common::time::Millis;

/// The command.
pub fn start() -> ExecStart {
    ExecStart {
        exec_id: "e".into(),
        command: Some("true".into()),
        argv: None,
        cwd: None,
        env: std::collections::BTreeMap::new(),
        stdin: None,
        timeout_ms: LIMIT_MS,
        kill_grace_ms: 0,
        max_output_bytes: 1,
        uid: None,
        limits: molt_common::control::ExecLimits::default(),
    }
}

/// What the supervisor, or its object, says of the command.
pub fn answer(told: &Told, now: Millis) -> ExecAnswer {
    match told {
        Told::Report(process) => ExecAnswer::Report {
            report: Box::new(report(*process, now)),
        },
        Told::Ended => ExecAnswer::Ended { generation: 0 },
        Told::Unknown => ExecAnswer::Unknown,
        Told::NotNow => ExecAnswer::NotNow { error: "no".into() },
        Told::Sandbox(..) | Told::Nothing => ExecAnswer::Unreachable { error: "lost".into() },
    }
}

fn report(process: Process, now: Millis) -> ExecReport {
    let (state, exit_code, ended_at) = match process {
        Process::Ended { how, at } => match how {
            End::Exit(0) => (ExecState::Succeeded, Some(0), Some(at.0)),
            End::Exit(code) => (ExecState::Failed, Some(code), Some(at.0)),
            End::TimedOut => (ExecState::TimedOut, None, Some(at.0)),
            End::Stopped => (ExecState::Cancelled, None, Some(at.0)),
        },
        Process::Runs { .. } | Process::Never | Process::Vanished => (ExecState::Running, None, None),
    };
    ExecReport {
        exec_id: "e".into(),
        state,
        exit_code,
        signal: None,
        stdout_bytes: 0,
        stderr_bytes: 0,
        truncated: false,
        started_at: now.0,
        completed_at: ended_at,
        error: None,
    }
}

/// How the sandbox stands.
pub fn view(stage: Stage, generation: u64) -> SandboxView {
    SandboxView {
        lifecycle: match stage {
            Stage::Stopped => Lifecycle::Stopped,
            Stage::Starting => Lifecycle::Starting,
            Stage::Running => Lifecycle::Running,
            Stage::Stopping => Lifecycle::Stopping,
        },
        generation,
        since: T0,
        ..SandboxView::never_started(1)
    }
}
