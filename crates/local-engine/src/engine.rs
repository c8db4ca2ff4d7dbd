//! The engine: everything that its containers share.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::cgroup::{Cgroups, Hierarchy};
use crate::container::registry::Registry;
use crate::container::{Container, Kind};
use crate::egress::allow_host::{AllowHost, AllowHosts};
use crate::error::EngineError;
use crate::identity::Identity;
use crate::images::{Images, Known};
use crate::launch::spawner::Spawner;
use crate::logs;
use crate::netns::NetworkNamespace;
use crate::removal;
use crate::run_dir::RunDir;

/// How long an engine that ends waits for files to be removed.
const REMOVALS_LIMIT: Duration = Duration::from_secs(5);

/// Everything that containers share.
#[derive(Debug)]
pub struct Engine {
    /// The containers that exist.
    pub containers: Registry,
    /// The engine's directory.
    pub run_dir: RunDir,
    /// This process.
    pub pid: i32,
    /// This program, for its helper processes.
    pub program: PathBuf,
    /// The program `bwrap`.
    pub bubblewrap: PathBuf,
    /// Starts processes.
    pub spawner: Spawner,
    /// How ids are mapped.
    pub identity: Identity,
    /// The control groups.
    pub cgroups: Cgroups,
    /// The services of the host's network that sandboxes may use.
    pub allowed: Arc<AllowHosts>,
    /// A place for each sandbox that may run; `None` without a limit.
    pub places: Option<Arc<Semaphore>>,
    /// What is being removed from the disk behind the containers it belonged to.
    pub removals: TaskTracker,
    images: Images,
    stopping: AtomicBool,
}

/// Why an engine cannot serve on this machine.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// A program is missing.
    #[error("the program {0} is missing; on Debian: apt-get install {1}")]
    Program(&'static str, &'static str),
    /// Sandboxes cannot be made here.
    #[error("{0} (are namespaces allowed here? run as root, or allow unprivileged user namespaces)")]
    Namespaces(crate::netns::NamespaceError),
    /// Something else.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Engine {
    /// Sets an engine up, removes what an earlier one left behind and says aloud what this machine lacks.
    pub async fn set_up(
        run_dir: RunDir,
        images: Images,
        allowed: Vec<AllowHost>,
        most: Option<usize>,
    ) -> Result<Arc<Self>, SetUpError> {
        let bubblewrap = find_program("bwrap").ok_or(SetUpError::Program("bwrap", "bubblewrap"))?;
        let mut engine = Self {
            containers: Registry::default(),
            pid: nix::unistd::getpid().as_raw(),
            // Not the path: the program may be rebuilt while it runs.
            program: PathBuf::from(format!("/proc/{}/exe", std::process::id())),
            bubblewrap,
            spawner: Spawner::start()?,
            identity: Identity::detect(run_dir.number()),
            cgroups: Cgroups::new(Hierarchy::detect(), &run_dir.instance()),
            allowed: Arc::new(AllowHosts::new(allowed)),
            places: most.map(|most| Arc::new(Semaphore::new(most))),
            removals: TaskTracker::new(),
            images,
            stopping: AtomicBool::new(false),
            run_dir,
        };
        if let Err(error) = engine.cgroups.try_out() {
            tracing::warn!(%error, "control groups cannot be made here");
        }
        let missing = engine.cgroups.missing();
        if !missing.is_empty() {
            tracing::warn!(
                ?missing,
                "sandboxes run without these bounds: their control groups cannot be used here"
            );
        }
        // What a sandbox will need is tried once now, so that a machine that lacks it says so at the start.
        let trial = engine.try_network().await?;
        if let Some(warning) = engine.identity.warning() {
            tracing::warn!("{warning}");
        }
        if let Some(reason) = &trial.no_way_out {
            tracing::warn!(
                reason,
                "sandboxes have no way out of their network (on Debian: apt-get install iproute2 nftables)"
            );
        }
        engine.cgroups.sweep_abandoned();
        let groups = engine.cgroups.sweep().await;
        let directories = engine.sweep_files(&trial.namespace).await?;
        if groups + directories > 0 {
            tracing::warn!(groups, directories, "removed what an earlier engine left behind");
        }
        logs::prune(&engine.run_dir.logs());
        Ok(Arc::new(engine))
    }

    /// Makes a network as for a sandbox. Falls back to a single id where subordinate ones turn out not to work.
    async fn try_network(&mut self) -> Result<crate::netns::Opened, SetUpError> {
        match NetworkNamespace::open(&self.spawner, &self.identity, &self.program).await {
            Err(error) if matches!(self.identity, Identity::Subordinate { .. }) => {
                tracing::warn!(%error, "subordinate ids cannot be used here");
                self.identity = Identity::Single;
                let second = NetworkNamespace::open(&self.spawner, &self.identity, &self.program).await;
                second.map_err(SetUpError::Namespaces)
            }
            outcome => outcome.map_err(SetUpError::Namespaces),
        }
    }

    async fn sweep_files(&self, network: &NetworkNamespace) -> io::Result<usize> {
        let mut count = 0;
        for entry in std::fs::read_dir(self.run_dir.containers())?.flatten() {
            removal::remove(&entry.path(), Some(network)).await;
            count += 1;
        }
        Ok(count)
    }

    /// What an image reference means.
    pub fn image(&self, reference: &str) -> Result<Known<'_>, EngineError> {
        self.images.find(reference).ok_or_else(|| EngineError::NoImage {
            reference: reference.to_owned(),
            patterns: self.images.patterns().collect::<Vec<_>>().join(", "),
        })
    }

    /// The container of this name or id.
    pub fn container(&self, reference: &str) -> Result<Arc<Container>, EngineError> {
        self.containers
            .find(reference)
            .ok_or_else(|| EngineError::NoContainer(reference.to_owned()))
    }

    /// Whether the engine is about to end.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Ends and removes all containers: programs first, with `grace` to end well unless `hurry` comes, then networks.
    pub async fn shut_down(&self, grace: Duration, hurry: impl Future<Output = ()>) {
        self.stopping.store(true, Ordering::SeqCst);
        let (apps, sidecars): (Vec<_>, Vec<_>) = self
            .containers
            .all()
            .into_iter()
            .partition(|container| matches!(container.kind, Kind::App(_)));
        let ending = all(apps.iter().map(|app| async {
            drop(self.stop(app, grace).await);
        }));
        tokio::select! {
            () = ending => {}
            () = hurry => tracing::warn!("killing containers that have not ended yet"),
        }
        for containers in [apps, sidecars] {
            all(containers.iter().map(|container| async {
                if let Err(error) = self.remove(container, true).await {
                    // Someone else removes it; that must be done before the engine ends.
                    tracing::debug!(container = container.name, %error, "already being removed");
                    container.wait_until(|state| state.removed).await;
                }
            }))
            .await;
        }
        self.removals.close();
        if tokio::time::timeout(REMOVALS_LIMIT, self.removals.wait())
            .await
            .is_err()
        {
            tracing::warn!("files of containers stay behind: they are many, and the next engine removes them");
        }
        self.cgroups.remove_instance();
    }
}

/// Runs all of them at the same time, to the end.
async fn all(tasks: impl Iterator<Item = impl Future<Output = ()>>) {
    let mut tasks: Vec<_> = tasks.map(Box::pin).collect();
    std::future::poll_fn(|context| {
        tasks.retain_mut(|task| task.as_mut().poll(context).is_pending());
        if tasks.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/bin", "/usr/local/bin", "/bin"].map(PathBuf::from);
    let found = std::env::split_paths(&path)
        .chain(usual)
        .map(|directory| directory.join(name))
        .find(|path| path.is_file());
    // The launcher runs with another view of the files, and compares the program by what it is.
    found.and_then(|path| path.canonicalize().ok())
}
