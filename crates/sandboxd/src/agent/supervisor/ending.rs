//! How the agent is ended: for a restart, for a stop, or because it never became ready.

use std::time::Duration;

use molt_common::control::SupervisorPhase;
use tokio::time::{Instant, timeout};

use super::Supervisor;
use crate::agent::cause;
use crate::agent::suspension::{self, Rest};
use crate::settings::AgentKind;
use crate::shim::AgentReport;

/// Which part of the time for its stop the agent has to come to rest before it gets TERM.
const PART_FOR_REST: u32 = 4;
/// How long the rest of its tree and its last lines may take after KILL.
const AFTER_KILL: Duration = Duration::from_secs(4);
/// Close code of sockets whose agent is started again or whose sandbox stops: connecting again makes sense (RFC 6455, IANA registry).
const SERVICE_RESTART: u16 = 1012;

impl Supervisor {
    /// Ends an agent that runs without ever admitting traffic.
    pub(super) async fn give_up_on(&self) -> (String, Vec<String>) {
        let milliseconds = self.settings.layout.agent_start_timeout_ms;
        let lines = self
            .end(
                "it did not become ready",
                Duration::from_millis(self.settings.layout.agent_stop_grace_ms),
            )
            .await
            .map(|report| report.log_tail)
            .unwrap_or_default();
        (cause::of_slow_start(milliseconds, &lines), lines)
    }

    /// Ends the agent in order, to be started again.
    pub(super) async fn end_for_restart(&self, pid: u32) {
        tracing::info!(pid, "a restart of the agent was asked for");
        let sockets = self.sessions.close_all(SERVICE_RESTART, "the agent is being restarted");
        tracing::info!(sockets, "sockets are told");
        self.enter(SupervisorPhase::Agent, Some(pid));
        let reason = "it is started again";
        if self.end_in_order(reason).await.is_none() {
            tracing::warn!("the agent's end was not observed");
        }
    }

    pub(super) async fn stop_agent(&self) {
        let pid = self.state.borrow().pid;
        self.sessions.close_all(SERVICE_RESTART, "the sandbox is being stopped");
        self.enter(SupervisorPhase::Stopping, pid);
        if !self.shim.is_there().await {
            return;
        }
        match self.end_in_order("the sandbox stops").await {
            Some(AgentReport { exit: Some(exit), .. }) => tracing::info!(%exit, "stopped the agent"),
            _ => tracing::warn!("the agent's end was not observed"),
        }
    }

    /// Lets the agent come to rest for a part of its time, and ends it in what is left.
    async fn end_in_order(&self, reason: &str) -> Option<AgentReport> {
        let begun = Instant::now();
        let grace = Duration::from_millis(self.settings.layout.agent_stop_grace_ms);
        if self.settings.agent == AgentKind::Openclaw {
            // One that ends meanwhile does not answer any more.
            let rest = suspension::suspend(&self.settings.layout, &self.settings.boot_id, grace / PART_FOR_REST).await;
            let took_ms = begun.elapsed().as_millis();
            match rest {
                Ok(Rest::Idle) => tracing::info!(took_ms, "the agent has come to rest"),
                Ok(Rest::Working) => tracing::warn!(took_ms, "the agent is ended in the middle of its work"),
                Err(error) => tracing::info!(%error, took_ms, "the agent was not suspended"),
            }
        }
        self.end(reason, grace.saturating_sub(begun.elapsed())).await
    }

    /// Has the shim stop the agent within `grace`, and waits for it.
    async fn end(&self, reason: &str, grace: Duration) -> Option<AgentReport> {
        let limit = u64::try_from(grace.as_millis()).ok();
        let wait = async {
            let (report, _) = tokio::join!(self.final_report(), self.shim.stop::<AgentReport>(reason, limit));
            report.ok()
        };
        timeout(grace + AFTER_KILL, wait).await.ok().flatten()
    }
}
