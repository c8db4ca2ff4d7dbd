//! Containers: what clients ask for, what is known of them, and how they come and go.

mod lifecycle;
pub mod registry;
pub mod request;
pub mod sidecar;
pub mod state;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::images::Image;
use crate::launch::start::FirstProcess;
use crate::limits::Limits;
use crate::logs::LogFile;
use crate::netns::NetworkNamespace;
use sidecar::Sidecar;
use state::State;

/// A container, from its creation to its removal.
#[derive(Debug)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Name, unique among those that exist.
    pub name: String,
    /// Reference of its image.
    pub image: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// As the client gave it.
    pub network_mode: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// What kind it is.
    pub kind: Kind,
    /// What it wrote.
    pub log: Arc<LogFile>,
    state: watch::Sender<State>,
    /// Held by whoever starts, stops or removes it.
    turn: tokio::sync::Mutex<()>,
    removing: AtomicBool,
}

/// The two kinds of containers.
#[derive(Debug)]
pub enum Kind {
    /// The owner of a network, played by the engine.
    Sidecar(Mutex<Option<Sidecar>>),
    /// A program in a sandbox.
    App(Box<App>),
}

/// What a program in a sandbox needs, and what there is of it while it runs.
#[derive(Debug)]
pub struct App {
    /// Its image.
    pub image: Image,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables of the first process.
    pub env: BTreeMap<String, String>,
    /// Bounds.
    pub limits: Limits,
    running: Mutex<Option<Running>>,
    /// The network that it last ran in; whoever has files of its ids keeps the ids.
    network: Mutex<Option<Arc<NetworkNamespace>>>,
}

#[derive(Debug)]
struct Running {
    first: FirstProcess,
}

impl Container {
    /// What is known of it now.
    pub fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Waits until its state is as wanted, and answers with it.
    pub async fn wait_until(&self, wanted: impl FnMut(&State) -> bool) -> State {
        let mut watcher = self.state.subscribe();
        // The sender lives in `self`, so the wait can only end with what was wanted.
        match watcher.wait_for(wanted).await {
            Ok(state) => state.clone(),
            Err(_) => self.state(),
        }
    }

    /// `app` or `sidecar`.
    pub fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Sidecar(_) => "sidecar",
            Kind::App(_) => "app",
        }
    }
}
