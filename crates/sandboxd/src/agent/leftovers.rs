//! What an earlier agent of this sandbox has left running. There must never be two: both would write the same state.
//!
//! The agent's shim ends the agent's whole tree, and the agent ends with its shim. What escapes both is what the agent had started when its shim was
//! killed: it now belongs to `init`. It is known by its readiness to be ended when memory is short, which children inherit and may only raise: the agent's
//! is [`OOM_SCORE_ADJ`], and its commands have the most there is; commands of the control API have another, and daemons that they left may stay.

use std::collections::HashSet;
use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, getppid};
use tokio::time::{Instant, sleep};

use super::launch::OOM_SCORE_ADJ;
use crate::process::tree::{Member, living_below};

/// What the agent gives to the commands that it runs, above its own.
const OF_ITS_COMMANDS: i32 = 1000;
/// How long killed processes may take to go.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Ends all of it; an error names what does not end. Only while no agent is meant to run.
pub async fn end() -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    let mut told = HashSet::new();
    loop {
        let left = find(&living_below(getppid().as_raw()));
        if left.is_empty() {
            return Ok(());
        }
        for member in &left {
            if told.insert(member.pid) {
                tracing::warn!(
                    pid = member.pid,
                    command = command_line(member.pid),
                    "ends what an earlier agent has left"
                );
            }
            // It may have ended since.
            let _ = kill(Pid::from_raw(member.pid), Signal::SIGKILL);
        }
        if Instant::now() >= deadline {
            let pids: Vec<String> = left.iter().map(|member| member.pid.to_string()).collect();
            return Err(format!("processes of an earlier agent do not end: {}", pids.join(", ")));
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The shims of agents, and what was the agent's, among everything below `init`. What is below the shim of a command is the command's.
fn find(all: &[Member]) -> Vec<Member> {
    let mut of_commands: HashSet<i32> = HashSet::new();
    let mut grown = true;
    while grown {
        grown = false;
        for member in all {
            let commands = of_commands.contains(&member.parent) || is_own(member.pid, "run-command");
            grown |= commands && of_commands.insert(member.pid);
        }
    }
    all.iter()
        .filter(|member| !of_commands.contains(&member.pid))
        .filter(|member| is_own(member.pid, "run-agent") || was_the_agents(member.pid))
        .copied()
        .collect()
}

/// Whether it is one of our own, by its first argument and its user: the agent and the commands are another one, where we can become another.
pub fn is_own(pid: i32, role: &str) -> bool {
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).nth(1) == Some(role.as_bytes()) && user(pid) == Some(Uid::current().as_raw())
}

fn user(pid: i32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn was_the_agents(pid: i32) -> bool {
    score(pid).is_some_and(|score| score == OF_ITS_COMMANDS || score == i32::from(OOM_SCORE_ADJ))
}

fn score(pid: i32) -> Option<i32> {
    fs::read_to_string(format!("/proc/{pid}/oom_score_adj"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Program and arguments, as far as they are worth a line.
pub fn command_line(pid: i32) -> String {
    const CHARS: usize = 120;
    let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&words).replace('\0', " ");
    let redacted = molt_common::redaction::text(text.trim()).into_owned();
    redacted.chars().take(CHARS).collect()
}
