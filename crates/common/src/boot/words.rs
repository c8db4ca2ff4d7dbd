//! What the boot page says.

use crate::sandbox_call::{Lifecycle, Phase, SandboxView};

/// A heading and a sentence.
pub struct Said {
    pub title: &'static str,
    pub text: &'static str,
}

const fn said(title: &'static str, text: &'static str) -> Said {
    Said { title, text }
}

/// What happens; `from` is where the sandbox stood before the start that is under way.
pub fn of(view: &SandboxView, from: Option<Lifecycle>) -> Said {
    if view.waits_for_capacity {
        return said(
            "Waiting for a place",
            "All places for sandboxes are taken just now. Yours starts by itself as soon as there is one.",
        );
    }
    match (view.lifecycle, view.phase) {
        (Lifecycle::Starting, Some(Phase::Fence)) => said(
            "Moving your agent",
            "Your agent is moving here from where it ran before.",
        ),
        (Lifecycle::Starting, phase) => starting(phase, from, view.change.is_some()),
        (Lifecycle::Running, _) if view.change.is_some() => said(
            "Restarting your agent",
            "Your agent is restarting. Your files stay as they are.",
        ),
        (Lifecycle::Running, _) => said("Your agent is ready", "Your agent is ready. Opening it."),
        (Lifecycle::Stopping, _) if view.change.is_some() => said(
            "Restarting your sandbox",
            "Your sandbox is stopping, to be started again.",
        ),
        (Lifecycle::Stopping, _) => said(
            "Your sandbox is stopping",
            "Your sandbox is stopping. It is started again as soon as it has stopped.",
        ),
        (Lifecycle::Failed, _) => said(
            "Your sandbox could not be started",
            "Your agent does not run. This is why, and when it can be tried again.",
        ),
        (Lifecycle::Sleeping, _) => said("Your sandbox sleeps", "Your sandbox sleeps. Open it to wake it."),
        (Lifecycle::Stopped, _) if view.cause.is_some() => said(
            "Your sandbox stopped",
            "Your sandbox stopped. Open it to start it again.",
        ),
        (Lifecycle::Stopped, _) => said(
            "Your sandbox is not running",
            "Your sandbox is not running. Open it to start it.",
        ),
    }
}

const fn starting(phase: Option<Phase>, from: Option<Lifecycle>, changed: bool) -> Said {
    let title = match from {
        Some(Lifecycle::Sleeping) => "Waking your sandbox",
        Some(Lifecycle::Running) => "Restarting your agent",
        _ if changed => "Restarting your sandbox",
        _ => "Opening your sandbox",
    };
    let text = match (phase, from) {
        (Some(Phase::Restore), _) => "Your files are being restored.",
        (Some(Phase::Configure), _) => "Your agent is being configured.",
        (Some(Phase::Agent | Phase::Ready), Some(Lifecycle::Running)) => {
            "Your agent is starting again. Your files stay as they are."
        }
        (Some(Phase::Agent | Phase::Ready), _) => "Your agent is starting.",
        (_, Some(Lifecycle::Sleeping)) => "Your sandbox sleeps. Waking it.",
        _ => "Your sandbox is starting.",
    };
    said(title, text)
}

/// How far a restore is, in words; `None` while nothing is restored.
pub fn restored(view: &SandboxView) -> Option<String> {
    if view.lifecycle != Lifecycle::Starting || view.phase != Some(Phase::Restore) {
        return None;
    }
    let restoring = view.disk.as_ref()?.restoring.filter(|restoring| restoring.bytes > 0)?;
    let done = size(restoring.bytes);
    Some(match restoring.total_bytes {
        Some(total) => format!("Your files are being restored: {done} of {}.", size(total)),
        None => format!("Your files are being restored: {done} so far."),
    })
}

/// Bytes for people, in steps of a tenth: a page is told again with each.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    let tenths = |unit: u64| (bytes / (unit / 10) / 10, bytes / (unit / 10) % 10);
    if bytes >= 1024 * MIB {
        let (whole, tenth) = tenths(1024 * MIB);
        format!("{whole}.{tenth} GiB")
    } else {
        let (whole, tenth) = tenths(MIB);
        format!("{whole}.{tenth} MiB")
    }
}

/// Name of a step.
pub const fn label(phase: Phase) -> &'static str {
    match phase {
        Phase::Fence => "Move your agent here",
        Phase::Container => "Start the sandbox",
        Phase::Restore => "Restore your files",
        Phase::Configure => "Configure your agent",
        Phase::Agent | Phase::Ready => "Start your agent",
    }
}
