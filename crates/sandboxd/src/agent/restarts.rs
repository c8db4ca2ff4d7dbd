//! Restarts of the agent that were asked for: one at a time, each named by its id, and noted on disk so that the next `serve` tells the truth about it.

use std::fs;
use std::io;
use std::path::PathBuf;

use molt_common::control::AgentRestart;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::settings::Layout;
use crate::shim::record;

/// Longest id.
const MAX_ID: usize = 64;

/// A restart as it is noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Noted {
    id: String,
    /// The agent's process when it was asked for: another one is the new one.
    replaces: Option<u32>,
    done: bool,
    error: Option<String>,
}

impl Noted {
    const fn is_over(&self) -> bool {
        self.done || self.error.is_some()
    }

    fn view(&self) -> AgentRestart {
        AgentRestart {
            id: self.id.clone(),
            done: self.done,
            error: self.error.clone(),
        }
    }
}

/// Why a restart was not taken.
#[derive(Debug, thiserror::Error)]
pub enum RestartRefusal {
    /// The id cannot be one.
    #[error("id: must be 1 to {MAX_ID} letters, digits, - or _")]
    Id,
    /// Another one has not ended.
    #[error("restart {0} is under way")]
    UnderWay(String),
    /// The sandbox stops.
    #[error("the sandbox stops")]
    Stopping,
    /// It could not be noted.
    #[error("the restart cannot be noted: {0}")]
    NotNoted(#[from] io::Error),
}

/// The newest restart.
#[derive(Debug)]
pub struct Restarts {
    newest: watch::Sender<Option<Noted>>,
    file: PathBuf,
}

impl Restarts {
    /// With what an earlier `serve` of this boot has noted.
    pub fn restore(layout: &Layout) -> Self {
        let file = layout.state_dir.join("agent").join("restart.json");
        let noted = fs::read(&file).ok();
        let newest = noted.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            newest: watch::Sender::new(newest),
            file,
        }
    }

    /// Takes a restart of the agent, which is the process `running` now. The same id again is answered with the first.
    pub fn ask(&self, id: &str, running: Option<u32>) -> Result<AgentRestart, RestartRefusal> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(legal) {
            return Err(RestartRefusal::Id);
        }
        let mut outcome = Ok(None);
        self.newest.send_if_modified(|newest| {
            match newest {
                Some(noted) if noted.id == id => {
                    outcome = Ok(Some(noted.view()));
                    return false;
                }
                Some(noted) if !noted.is_over() => {
                    outcome = Err(RestartRefusal::UnderWay(noted.id.clone()));
                    return false;
                }
                _ => {}
            }
            let noted = Noted {
                id: id.to_owned(),
                replaces: running,
                done: false,
                error: None,
            };
            // On disk before it is answered for: what was taken is not forgotten.
            if let Err(error) = record(&self.file, &noted) {
                outcome = Err(error.into());
                return false;
            }
            outcome = Ok(Some(noted.view()));
            *newest = Some(noted);
            true
        });
        outcome?.ok_or(RestartRefusal::Stopping)
    }

    /// The newest one.
    pub fn newest(&self) -> Option<AgentRestart> {
        self.newest.borrow().as_ref().map(Noted::view)
    }

    /// Whether one waits for the agent that runs as `running` to end.
    fn replaces(&self, running: Option<u32>) -> bool {
        let newest = self.newest.borrow();
        newest
            .as_ref()
            .is_some_and(|noted| !noted.is_over() && (running.is_none() || noted.replaces == running))
    }

    /// Waits until one is asked for that ends the agent that runs as `running`, or the pause in which none does.
    pub async fn asked(&self, running: Option<u32>) {
        let mut newest = self.newest.subscribe();
        while !self.replaces(running) {
            if newest.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// The agent runs as `pid` from now on, or does not because of `Err`. Ends the restart that was asked for before that.
    pub fn started(&self, pid: Result<u32, &str>) {
        self.newest.send_if_modified(|newest| {
            let Some(noted) = newest.as_mut().filter(|noted| !noted.is_over()) else {
                return false;
            };
            match pid {
                Ok(pid) if noted.replaces == Some(pid) => return false,
                Ok(_) => noted.done = true,
                Err(cause) => noted.error = Some(cause.to_owned()),
            }
            if let Err(error) = record(&self.file, noted) {
                tracing::warn!(%error, "cannot note the end of a restart");
            }
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn restarts() -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("agent")).unwrap();
        let mut layout = crate::settings::tests::layout();
        layout.state_dir = folder.path().to_owned();
        (folder, layout)
    }

    #[test]
    fn one_at_a_time_and_each_once() {
        let (_folder, layout) = restarts();
        let restarts = Restarts::restore(&layout);
        assert!(restarts.newest().is_none());
        assert!(!restarts.ask("a", Some(7)).unwrap().done);
        assert!(!restarts.ask("a", Some(7)).unwrap().done);
        assert!(matches!(restarts.ask("b", Some(7)), Err(RestartRefusal::UnderWay(id)) if id == "a"));
        restarts.started(Ok(7));
        assert!(!restarts.newest().unwrap().done, "that is the old one");
        restarts.started(Ok(8));
        assert!(
            restarts.ask("a", Some(8)).unwrap().done,
            "asked again it is the same one"
        );
        assert!(!restarts.ask("b", Some(8)).unwrap().done);
        restarts.started(Err("no room"));
        assert_eq!(restarts.newest().unwrap().error.as_deref(), Some("no room"));
        assert!(restarts.ask("c", None).is_ok(), "what could not be done is over");
        for id in ["", "a b", "a/b", &"x".repeat(65)] {
            assert!(matches!(restarts.ask(id, None), Err(RestartRefusal::Id)), "{id}");
        }
    }

    #[test]
    fn the_next_serve_goes_on_with_it() {
        let (_folder, layout) = restarts();
        Restarts::restore(&layout).ask("a", Some(7)).unwrap();
        let next = Restarts::restore(&layout);
        assert!(next.replaces(Some(7)), "the old agent still runs");
        assert!(!next.replaces(Some(8)), "the new one is there");
        next.started(Ok(8));
        assert!(Restarts::restore(&layout).newest().unwrap().done);
    }
}
