//! Looks at the agent's configuration file, which the user and the agent change too.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use molt_common::control::SupervisorPhase;
use tokio::sync::watch;
use tokio::time::sleep;

use super::config_file::{FILE, STATE_FOLDER};
use super::{AgentState, Configuration};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);

/// Looks at the file for as long as the agent is watched, so that the edge hears of what the user or the agent changed.
pub async fn observe(home: PathBuf, configuration: Arc<Configuration>, agent: watch::Receiver<AgentState>) {
    let path = home.join(STATE_FOLDER).join(FILE);
    let mut looked = None;
    while agent.has_changed().is_ok() {
        sleep(LOOK).await;
        // Before its first start the agent's home is not what it will be.
        if matches!(
            agent.borrow().phase,
            SupervisorPhase::Restore | SupervisorPhase::Configure
        ) {
            continue;
        }
        let signature = signature(&path);
        if signature == looked {
            continue;
        }
        let seen = match configuration.now().await {
            Ok(_) => configuration.note_choice().await,
            Err(error) => Err(error),
        };
        match seen {
            Ok(()) => looked = signature,
            Err(error) => {
                tracing::debug!(%error, "the agent's configuration cannot be looked at");
                configuration.seen(None);
            }
        }
    }
}

/// By what a changed file is told from the one before.
fn signature(path: &Path) -> Option<(u64, u64, i64, i64)> {
    let meta = fs::symlink_metadata(path).ok()?;
    Some((meta.ino(), meta.size(), meta.mtime(), meta.mtime_nsec()))
}
