//! Keeps the sandbox's disk: restores it before the agent starts, saves it while it runs and when the sandbox stops.
//!
//! The work is done by a child ([`role`]); what is done when is decided here. One thing at a time: two children would take the memory twice, and pruning
//! beside a save could take what it counts on.
//!
//! The agent is not suspended for a save. Its databases are copied by their own online backup, which sees a consistent moment whatever is written meanwhile,
//! and what it writes otherwise it replaces by renaming; a suspension would keep the user waiting every few minutes, and would end what he has under way.
//! The one save that must be of everything, that of a stop, is taken when agent and commands have ended.

mod access;
mod boot;
mod changes;
mod child;
mod import;
mod keeper;
mod last;
mod marks;
mod publish;
mod refusal;
pub mod role;
mod saving;
mod state;
mod upkeep;
mod written;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use molt_common::control::snapshot::{
    BeginBoot, RenewRepository, RepositoryAccess, SaveNow, SaveView, SnapshotStatus, UpkeepNow, UpkeepView,
};
use molt_common::time::Millis;
use molt_snapshots::order::{Order, Work};
use nix::unistd::{Pid, getppid};
use tokio::sync::watch;

pub use refusal::DiskRefusal;

use crate::agent::Disk;
use crate::clock::now_ms;
use crate::settings::Settings;
use marks::Marks;
use publish::Publisher;
use state::State;

/// The disk of one sandbox.
pub struct Persistence {
    settings: Settings,
    state: watch::Sender<State>,
    disk: watch::Sender<Disk>,
    marks: Marks,
    publisher: Publisher,
    /// Somebody was told how the save of a stop ended.
    end_told: watch::Sender<bool>,
    /// Above everything that runs in the sandbox.
    init: Pid,
}

impl Persistence {
    /// With what an earlier `serve` of this boot has left.
    ///
    /// # Errors
    /// When the disk refuses the supervisor's own folder.
    pub async fn restore(settings: Settings) -> io::Result<Arc<Self>> {
        child::sweep().await;
        let marks = Marks::new(&settings.layout)?;
        let state = State::new(marks.read()?);
        let disk = if state.is_restored() {
            Disk::Ready
        } else {
            Disk::Pending
        };
        Ok(Arc::new(Self {
            settings,
            state: watch::Sender::new(state),
            disk: watch::Sender::new(disk),
            marks,
            publisher: Publisher::new(),
            end_told: watch::Sender::new(false),
            init: getppid(),
        }))
    }

    /// Whether the agent's home holds what it should, as it becomes known.
    pub fn disk(&self) -> watch::Receiver<Disk> {
        self.disk.subscribe()
    }

    /// How the disk is kept.
    pub fn status(&self) -> SnapshotStatus {
        self.state.borrow().status()
    }

    /// The same without long lists, for whoever answers with it.
    pub fn tell_brief_status(&self) -> SnapshotStatus {
        let status = self.state.borrow().brief_status();
        self.note_told(&status);
        status
    }

    /// `POST /v1/begin`.
    pub fn begin(&self, begin: BeginBoot) -> Result<SnapshotStatus, DiskRefusal> {
        self.change(|state| {
            state.begin(begin)?;
            Ok(state.status())
        })
    }

    /// `PUT /v1/repository`.
    pub fn renew(&self, renew: RenewRepository) -> Result<SnapshotStatus, DiskRefusal> {
        self.change(|state| {
            state.renew(renew.repository)?;
            Ok(state.status())
        })
    }

    /// `POST /v1/save`.
    pub fn ask_save(&self, save: SaveNow) -> Result<SaveView, DiskRefusal> {
        self.change(|state| state.ask_save(save, Millis(now_ms())))
    }

    /// `GET /v1/save/{id}`.
    pub fn save(&self, id: &str) -> Option<SaveView> {
        self.state.borrow().save(id).cloned()
    }

    /// `POST /v1/upkeep`.
    pub fn ask_upkeep(&self, upkeep: UpkeepNow) -> Result<UpkeepView, DiskRefusal> {
        self.change(|state| state.ask_upkeep(upkeep))
    }

    /// `GET /v1/upkeep/{id}`.
    pub fn upkeep(&self, id: &str) -> Option<UpkeepView> {
        self.state.borrow().upkeep(id).cloned()
    }

    /// Changes the state and wakes who waits for it.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut answer = None;
        self.state.send_modify(|state| answer = Some(change(state)));
        // Sending modifies whether or not anybody listens.
        answer.unwrap_or_else(|| unreachable!("the change was made"))
    }

    fn order(&self, repository: RepositoryAccess, work: Work) -> Order {
        let layout = &self.settings.layout;
        Order {
            repository,
            home: layout.home.clone(),
            work_dir: self.marks.work_dir().to_owned(),
            owner: (layout.agent_uid, layout.agent_gid),
            work,
        }
    }

    const fn restore_limit(&self) -> Duration {
        Duration::from_millis(self.settings.layout.restore_limit_ms)
    }

    const fn save_limit(&self) -> Duration {
        Duration::from_millis(self.settings.layout.save_limit_ms)
    }
}

/// Until the sandbox stops. Says so.
async fn stopped(mut stop: watch::Receiver<bool>) -> &'static str {
    // When nobody could say so any more, it does.
    let _ = stop.wait_for(|stop| *stop).await;
    "the sandbox stops"
}
