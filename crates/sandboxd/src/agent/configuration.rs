//! The user's part of the agent's configuration as the edge reads and changes it. The file on the disk is the truth: the user and the agent write it too.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use molt_common::agent_config::{LONGEST, fits, hash, layers, secret};
use molt_common::control::SupervisorPhase;
use molt_common::control::config::{Applied, ConfigEdit, ConfigEdited, ConfigNow, ConfigStatus, HandOver, HandedView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use super::config_file::{self, Found, Platform, Written};
use super::config_link::{Reply, Writer};
use super::{AgentState, HandedProviders, default_model};
use crate::settings::Settings;
use crate::shim::record;

/// How often a change is tried again that somebody else's came before.
const TRIES: u32 = 8;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// How long a change waits for an agent that is on its way up or down.
const SETTLES: Duration = Duration::from_secs(8);
/// Longest id.
const MAX_ID: usize = 64;

/// Why a change was not done. Nothing was changed, but for [`Self::Unanswered`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigRefusal {
    /// It was made for another document.
    #[error("the configuration is another one by now: {0}")]
    Moved(String),
    /// The request itself.
    #[error("{0}")]
    Request(String),
    /// The agent's schema.
    #[error("{0}")]
    Invalid(String),
    /// Secrets that it refers to.
    #[error("no secret is on the disk for {0}")]
    SecretMissing(String),
    /// What is there.
    #[error("the agent's configuration cannot be understood: {0}")]
    Unreadable(String),
    /// Another start was asked for.
    #[error("this start was given {0}")]
    Handed(String),
    /// Neither up nor down.
    #[error("the agent is being started; try again")]
    NotNow,
    /// Perhaps it was done.
    #[error("the agent did not say whether it took it: {0}")]
    Unanswered(String),
    /// Work in its home failed.
    #[error("the agent's configuration: {0}")]
    Failed(#[from] io::Error),
}

/// What this boot was given, as it is noted for the next `serve`.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Given {
    order: HandOver,
    view: HandedView,
}

#[derive(Default)]
struct State {
    hash: Option<String>,
    given: Option<Given>,
}

/// See the module.
pub struct Configuration {
    settings: Settings,
    providers: Arc<HandedProviders>,
    state: watch::Sender<State>,
    /// One change at a time, the start's among them.
    turn: Mutex<()>,
    note: PathBuf,
}

impl Configuration {
    /// With what an earlier `serve` of this boot was given.
    pub fn restore(settings: &Settings, providers: Arc<HandedProviders>) -> Arc<Self> {
        let note = settings.layout.state_dir.join("agent").join("config-handed.json");
        let given = fs::read(&note)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Arc::new(Self {
            providers,
            settings: settings.clone(),
            state: watch::Sender::new(State { hash: None, given }),
            turn: Mutex::default(),
            note,
        })
    }

    /// What is the platform's in the document of the agent that runs, or is being started.
    fn platform(&self) -> Platform {
        Platform::of(&self.settings, self.providers.taken().as_ref())
    }

    /// For the status.
    pub fn status(&self) -> ConfigStatus {
        let state = self.state.borrow();
        ConfigStatus {
            hash: state.hash.clone(),
            waits: self.settings.awaits_config && state.given.is_none(),
            handed: state.given.as_ref().map(|given| given.view.clone()),
        }
    }

    /// Takes what this start is to begin with.
    pub fn hand_over(&self, mut order: HandOver) -> Result<ConfigStatus, ConfigRefusal> {
        let legal = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if order.id.is_empty() || order.id.len() > MAX_ID || !order.id.bytes().all(legal) {
            let text = format!("id: must be 1 to {MAX_ID} letters, digits, - or _");
            return Err(ConfigRefusal::Request(text));
        }
        // It may be older than the offer of providers, or come from a supervisor that knew of none.
        let platform = self.platform();
        for document in [&mut order.document, &mut order.base] {
            *document = layers::without_providers(document, &platform.locked);
        }
        must_be_a_users("document", &order.document, &platform)?;
        let mut outcome = Ok(());
        self.state.send_if_modified(|state| {
            match &state.given {
                Some(given) if given.order.id == order.id => return false,
                Some(given) if given.view.done => {
                    outcome = Err(ConfigRefusal::Handed(given.order.id.clone()));
                    return false;
                }
                _ => {}
            }
            let view = HandedView {
                id: order.id.clone(),
                done: false,
                refused: None,
                missing: Vec::new(),
            };
            let given = Given { order, view };
            if let Err(error) = record(&self.note, &given) {
                outcome = Err(error.into());
                return false;
            }
            state.given = Some(given);
            true
        });
        outcome.map(|()| self.status())
    }

    /// Writes the file for a start of the agent, once it is known what it is to hold. Its providers are taken by then.
    pub async fn write_for_start(&self) -> io::Result<Written> {
        if self.settings.awaits_config {
            let mut state = self.state.subscribe();
            let told = state.wait_for(|state| state.given.is_some()).await;
            drop(told.map_err(io::Error::other)?);
        }
        let _turn = self.turn.lock().await;
        let given = self.state.borrow().given.clone();
        let given = given.filter(|given| !given.view.done);
        let order = given.as_ref().map(|given| given.order.clone());
        let written = config_file::write(&self.settings, &self.platform(), order).await?;
        // With its outcome the edge wants to know what is there.
        let hash = self.disk().await.ok().map(|disk| disk.now.hash);
        self.seen(hash);
        if let Some(mut given) = given {
            given.view.done = true;
            given.view.refused.clone_from(&written.refused);
            given.view.missing.clone_from(&written.missing);
            if let Some(why) = &written.refused {
                tracing::warn!(id = given.view.id, why, "the agent does not take what was handed over");
            }
            record(&self.note, &given)?;
            self.state.send_modify(|state| state.given = Some(given));
        }
        Ok(written)
    }

    /// What is on the disk.
    pub async fn now(&self) -> Result<ConfigNow, ConfigRefusal> {
        let disk = self.disk().await?;
        self.seen(Some(disk.now.hash.clone()));
        Ok(disk.now)
    }

    async fn disk(&self) -> Result<Disk, ConfigRefusal> {
        let (whole, noted) = match config_file::read(&self.settings).await? {
            Found::Document { document, noted } => (document, noted),
            Found::Unreadable(problem) => return Err(ConfigRefusal::Unreadable(problem)),
        };
        let placed = default_model::placed(&noted, &whole).map(str::to_owned);
        let user = self.platform().user_part_of_disk(&whole, placed.as_deref());
        let now = shown(&user)?;
        Ok(Disk {
            whole,
            user,
            placed,
            noted,
            now,
        })
    }

    /// Another model stands where the platform had put its default: from now on it is chosen, and stays so when it is the default's again.
    pub(super) async fn note_choice(&self) -> Result<(), ConfigRefusal> {
        // Whoever changes the document now notes it himself.
        let Ok(_turn) = self.turn.try_lock() else { return Ok(()) };
        let disk = self.disk().await?;
        if !disk.noted.is_empty() && disk.placed.is_none() {
            config_file::note(&self.settings, &[]).await?;
        }
        Ok(())
    }

    /// It was read, or cannot be.
    pub(super) fn seen(&self, hash: Option<String>) {
        self.state.send_if_modified(|state| {
            let changed = state.hash != hash;
            state.hash = hash;
            changed
        });
    }

    /// Changes the document, after every change that came before.
    pub async fn edit(
        &self,
        edit: &ConfigEdit,
        agent: &watch::Receiver<AgentState>,
    ) -> Result<ConfigEdited, ConfigRefusal> {
        let _turn = self.turn.lock().await;
        for _ in 0..TRIES {
            let phase = settled(agent).await?;
            if let Some(edited) = self.attempt(edit, phase == SupervisorPhase::Ready).await? {
                self.seen(Some(edited.now.hash.clone()));
                return Ok(edited);
            }
            sleep(PAUSE).await;
        }
        Err(ConfigRefusal::Unanswered(
            "others change the configuration all the time".into(),
        ))
    }

    /// Nothing when somebody else was faster.
    async fn attempt(&self, edit: &ConfigEdit, running: bool) -> Result<Option<ConfigEdited>, ConfigRefusal> {
        // In this order: what is put over a document that was read later than this is what was read, or is refused.
        let mut writer = match running {
            true => Some(
                Writer::open(&self.settings.layout)
                    .await
                    .map_err(|_| ConfigRefusal::NotNow)?,
            ),
            false => None,
        };
        let disk = self.disk().await?;
        let before = disk.now.clone();
        if edit.base.as_ref().is_some_and(|base| *base != before.hash) {
            return Err(ConfigRefusal::Moved(before.hash));
        }
        let platform = self.platform();
        let wanted = edit.change.of(&before.document);
        must_be_a_users("change", &wanted, &platform)?;
        let wanted = platform.user_part(&wanted);
        if wanted == before.document {
            return Ok(Some(edited(Applied::Unchanged, before.hash.clone(), before)));
        }
        let (user, missing) = secret::restored(&wanted, &disk.user);
        if !missing.is_empty() {
            return Err(ConfigRefusal::SecretMissing(missing.join(", ")));
        }
        let applied = match &mut writer {
            Some(writer) => match self.apply(writer, &platform, &user, &disk).await? {
                Reply::Taken { restarts: true } => Applied::Restarting,
                Reply::Taken { restarts: false } => Applied::Hot,
                Reply::Moved => return Ok(None),
                Reply::Invalid(why) => return Err(ConfigRefusal::Invalid(why)),
                // What it has written it takes into use, at the latest when it is started again.
                Reply::Unclear(why) => match self.disk().await? {
                    disk if disk.now.document == wanted => Applied::Restarting,
                    _ => return Err(ConfigRefusal::Unanswered(why)),
                },
            },
            None => {
                let order = HandOver {
                    id: "edit".into(),
                    document: wanted,
                    base: before.document.clone(),
                    known: Vec::new(),
                };
                let written = config_file::write(&self.settings, &platform, Some(order)).await?;
                if let Some(why) = written.refused {
                    return Err(ConfigRefusal::Invalid(why));
                }
                Applied::Written
            }
        };
        let disk = self.disk().await?;
        Ok(Some(edited(applied, before.hash, disk.now)))
    }

    /// Has the agent take a document, and notes whether its model is chosen in it or the default.
    async fn apply(&self, writer: &mut Writer, platform: &Platform, user: &Value, disk: &Disk) -> io::Result<Reply> {
        let placed: Vec<&str> = disk.placed.as_deref().into_iter().collect();
        let placing: Vec<&str> = platform.model_for(user).into_iter().collect();
        let both = [placed.as_slice(), placing.as_slice()].concat();
        let changes = placed != placing;
        if changes {
            config_file::note(&self.settings, &both).await?;
        }
        let reply = writer.apply(&platform.effective(user, &disk.whole)).await;
        if changes {
            match &reply {
                Reply::Taken { .. } => config_file::note(&self.settings, &placing).await?,
                Reply::Moved | Reply::Invalid(_) => config_file::note(&self.settings, &placed).await?,
                // Either may stand there.
                Reply::Unclear(_) => {}
            }
        }
        Ok(reply)
    }
}

/// What is on the disk.
struct Disk {
    /// The whole document.
    whole: Value,
    /// The user's part of it.
    user: Value,
    /// The default model that stands in it.
    placed: Option<String>,
    /// The models that are noted as defaults.
    noted: Vec<String>,
    /// The user's part as it is shown.
    now: ConfigNow,
}

/// A user's part as the edge keeps it, which takes none that is longer than a change may make it.
fn shown(user: &Value) -> Result<ConfigNow, ConfigRefusal> {
    let document = secret::shown(user);
    if !fits(&document) {
        return Err(ConfigRefusal::Unreadable(format!("larger than {LONGEST} bytes")));
    }
    let hash = hash(&document);
    Ok(ConfigNow { hash, document })
}

/// Refuses what is no user's part, whoever asks.
fn must_be_a_users(field: &str, document: &Value, platform: &Platform) -> Result<(), ConfigRefusal> {
    let refuse = |why: String| Err(ConfigRefusal::Request(format!("{field}: {why}")));
    if !document.is_object() || !fits(document) {
        return refuse("must be an object, and neither longer nor deeper than is kept".into());
    }
    let locked = layers::violations(document, &platform.locked);
    if !locked.is_empty() {
        return refuse(format!("sets what is the platform's: {}", locked.join(", ")));
    }
    let literals = secret::literals(document);
    if !literals.is_empty() {
        return refuse(format!("a secret stands in it: {}", literals.join(", ")));
    }
    Ok(())
}

const fn edited(applied: Applied, before: String, now: ConfigNow) -> ConfigEdited {
    ConfigEdited { applied, before, now }
}

/// Waits until the agent is up or is not there.
async fn settled(agent: &watch::Receiver<AgentState>) -> Result<SupervisorPhase, ConfigRefusal> {
    let mut agent = agent.clone();
    let wait = agent.wait_for(|state| matches!(state.phase, SupervisorPhase::Ready | SupervisorPhase::Failed));
    match timeout(SETTLES, wait).await {
        Ok(Ok(state)) => Ok(state.phase),
        _ => Err(ConfigRefusal::NotNow),
    }
}

#[cfg(test)]
mod tests {
    use super::{ConfigRefusal, LONGEST, shown};
    use serde_json::json;

    #[test]
    fn what_is_longer_than_is_kept_is_not_shown() {
        let around = json!({"a": ""}).to_string().len();
        let document = |length: usize| json!({"a": "x".repeat(length - around)});
        let now = shown(&document(LONGEST)).unwrap();
        assert_eq!(now.document, document(LONGEST));
        let refused = shown(&document(LONGEST + 1));
        assert!(matches!(refused, Err(ConfigRefusal::Unreadable(why)) if why == "larger than 262144 bytes"));
    }
}
