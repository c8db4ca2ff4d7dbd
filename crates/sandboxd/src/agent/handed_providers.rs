//! What this boot's agent is given besides its configuration: how it reaches providers, and the variables that its process alone gets.

use std::fs;
use std::io;
use std::path::PathBuf;

use molt_common::control::provider::{HandProviders, ProvidersView};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::settings::Settings;
use crate::shim::record;

/// Why an order was not taken. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ProvidersRefusal {
    /// The order itself; names the field.
    #[error("{0}")]
    Request(String),
    /// It could not be noted, and so might be forgotten.
    #[error("what the agent is given could not be noted: {0}")]
    NotNoted(#[from] io::Error),
}

/// As it is noted for the next `serve` of this boot, in the folder that only root reads.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Noted {
    handed: Option<HandProviders>,
    /// What the agent was started with last.
    taken: Option<HandProviders>,
}

/// See the module.
pub struct HandedProviders {
    awaited: bool,
    noted: watch::Sender<Noted>,
    note: PathBuf,
}

impl HandedProviders {
    /// With what an earlier `serve` of this boot was given.
    pub fn restore(settings: &Settings) -> Self {
        let note = settings.layout.state_dir.join("agent").join("providers-handed.json");
        let noted = fs::read(&note)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            awaited: settings.awaits_providers,
            noted: watch::Sender::new(noted.unwrap_or_default()),
            note,
        }
    }

    /// For the status.
    pub fn view(&self) -> ProvidersView {
        let noted = self.noted.borrow();
        let id = |order: &Option<HandProviders>| order.as_ref().map(|order| order.id.clone());
        ProvidersView {
            waits: self.awaited && noted.handed.is_none(),
            handed: id(&noted.handed),
            taken: id(&noted.taken),
        }
    }

    /// Takes what the agent's next start is to have. The same id again changes nothing.
    pub fn hand(&self, order: HandProviders) -> Result<ProvidersView, ProvidersRefusal> {
        if let Some(problem) = order.problem() {
            return Err(ProvidersRefusal::Request(problem));
        }
        self.change(|noted| {
            if noted.handed.as_ref().is_some_and(|handed| handed.id == order.id) {
                return false;
            }
            noted.handed = Some(order);
            true
        })?;
        Ok(self.view())
    }

    /// What a start of the agent has, once it is known; nothing where nobody hands it anything.
    pub async fn take(&self) -> io::Result<Option<HandProviders>> {
        if self.awaited {
            let mut noted = self.noted.subscribe();
            let told = noted.wait_for(|noted| noted.handed.is_some()).await;
            drop(told.map_err(io::Error::other)?);
        }
        self.change(|noted| {
            let changed = noted.taken.as_ref().map(|order| &order.id) != noted.handed.as_ref().map(|order| &order.id);
            noted.taken.clone_from(&noted.handed);
            changed
        })?;
        Ok(self.taken())
    }

    /// What the agent was started with.
    pub fn taken(&self) -> Option<HandProviders> {
        self.noted.borrow().taken.clone()
    }

    /// On disk before it counts: what was answered for is not forgotten.
    fn change(&self, change: impl FnOnce(&mut Noted) -> bool) -> io::Result<()> {
        let mut outcome = Ok(());
        self.noted.send_if_modified(|noted| {
            let mut changed = noted.clone();
            if !change(&mut changed) {
                return false;
            }
            outcome = record(&self.note, &changed);
            if outcome.is_ok() {
                *noted = changed;
            }
            outcome.is_ok()
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use molt_common::user_secret::Values;

    use super::*;

    fn order(id: &str) -> HandProviders {
        HandProviders {
            id: id.into(),
            token: "t".into(),
            providers: Vec::new(),
            default_model: None,
            secrets: Values::default(),
        }
    }

    fn settings(waits: bool) -> (tempfile::TempDir, Settings) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("agent")).unwrap();
        let mut settings = crate::settings::tests::settings();
        settings.layout.state_dir = folder.path().to_owned();
        settings.awaits_providers = waits;
        (folder, settings)
    }

    #[tokio::test]
    async fn a_start_has_what_was_handed_last_before_it() {
        let (_folder, settings) = settings(true);
        let handed = HandedProviders::restore(&settings);
        assert!(handed.view().waits);
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), handed.take()).await;
        assert!(early.is_err(), "it waits");
        assert!(!handed.hand(order("a")).unwrap().waits);
        handed.hand(order("a")).unwrap();
        assert_eq!(handed.view().taken, None, "no agent was started yet");
        assert_eq!(handed.take().await.unwrap().unwrap().id, "a");
        let view = handed.hand(order("b")).unwrap();
        assert_eq!((view.handed.as_deref(), view.taken.as_deref()), (Some("b"), Some("a")));
        // The next serve of this boot finds the agent that runs, and knows what it has.
        let next = HandedProviders::restore(&settings);
        assert_eq!(next.view(), view);
        assert_eq!(next.taken().unwrap().id, "a");
        assert_eq!(next.take().await.unwrap().unwrap().id, "b");
        assert!(handed.hand(order("not one")).is_err());
    }

    #[tokio::test]
    async fn where_nobody_hands_anything_nothing_waits() {
        let (_folder, settings) = settings(false);
        let handed = HandedProviders::restore(&settings);
        assert_eq!(handed.view(), ProvidersView::default());
        assert!(handed.take().await.unwrap().is_none());
        // Unasked, it counts from the next start on.
        handed.hand(order("a")).unwrap();
        assert_eq!(handed.view().taken, None);
    }

    #[test]
    fn the_note_is_for_root_alone_and_what_is_not_noted_is_not_taken() {
        let (folder, settings) = settings(true);
        let handed = HandedProviders::restore(&settings);
        handed.hand(order("a")).unwrap();
        let note = folder.path().join("agent").join("providers-handed.json");
        assert_eq!(fs::metadata(&note).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_dir_all(folder.path().join("agent")).unwrap();
        assert!(matches!(handed.hand(order("b")), Err(ProvidersRefusal::NotNoted(_))));
        assert_eq!(handed.view().handed.as_deref(), Some("a"));
    }
}
