//! Lets the agent come to rest before it gets TERM: it takes nothing new and finishes what it can. Releases that know nothing of it just get TERM.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::link::{Link, LinkError};
use crate::settings::Layout;

/// Between two looks at what is still under way.
const LOOK: Duration = Duration::from_millis(250);
/// Of the patience, how much is kept for the last word; the rest is for the agent to finish.
const LAST_WORD: Duration = Duration::from_secs(1);

/// How far the agent came to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing is under way.
    Idle,
    /// Something still was when the time was up; the agent notes it and resumes it when it starts again.
    Working,
}

/// Suspends the agent for the stop named `id`, within `patience`.
pub async fn suspend(layout: &Layout, id: &str, patience: Duration) -> Result<Rest, LinkError> {
    let deadline = Instant::now() + patience.saturating_sub(LAST_WORD);
    let all = async {
        let mut link = Link::open(layout).await?;
        let process = link.call("system.info", json!({})).await?;
        // A terminal that somebody left open ends with the process in any case.
        let wanted = json!({ "requestId": id, "terminalPolicy": "terminate", "drain": true });
        let mut answer = link.call("gateway.suspend.prepare", wanted).await?;
        let suspension = answer["suspensionId"].clone();
        while answer["status"] == "draining" && Instant::now() < deadline {
            link.rest(LOOK).await?;
            let asked = json!({ "suspensionId": suspension });
            answer = link.call("gateway.suspend.status", asked).await?;
        }
        // Without this TERM would wait for minutes for what is under way.
        let target = json!({ "pid": process["pid"], "processInstanceId": process["processInstanceId"] });
        let armed = json!({ "suspensionId": suspension, "target": target });
        if let Err(error) = link.call("gateway.suspend.handoff", armed).await {
            tracing::info!(%error, "the agent ends in its own time");
        }
        Ok(rest(&answer))
    };
    timeout(patience, all)
        .await
        .map_err(|_| LinkError::Gone("it did not come to rest in time".to_owned()))?
}

fn rest(answer: &Value) -> Rest {
    if answer["status"] == "ready" {
        Rest::Idle
    } else {
        Rest::Working
    }
}
