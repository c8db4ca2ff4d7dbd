//! How containers come and go. Each operation runs to its end once begun, whether or not its client waits for it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::Utc;
use nix::sys::signal::Signal;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::request::{CreateRequest, check_name};
use super::sidecar::Sidecar;
use super::state::{State, Status};
use super::{App, Container, Kind, Running};
use crate::cgroup::Cgroup;
use crate::egress::listener::Egress;
use crate::egress::tls::Authority;
use crate::engine::Engine;
use crate::error::EngineError;
use crate::images::Known;
use crate::launch::root_files::RootFiles;
use crate::launch::spec::{Bind, LaunchSpec, system_directories};
use crate::launch::start::{Supervision, start};
use crate::limits::{Limits, TIER_VARIABLE};
use crate::logs::{LogFile, prune};
use crate::netns::NetworkNamespace;
use crate::removal;

/// Where programs are looked for unless an image or a client says otherwise.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Engine {
    /// Creates a container.
    pub fn create(&self, name: Option<String>, request: &CreateRequest) -> Result<Arc<Container>, EngineError> {
        if self.stopping() {
            return Err(EngineError::Stopping);
        }
        let id = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
        let name = name.unwrap_or_else(|| id.chars().take(12).collect());
        check_name(&name)?;
        let kind = match self.image(&request.image)? {
            Known::Sidecar => Kind::Sidecar(Mutex::default()),
            Known::App(image) => {
                let owner = request.network_of().ok_or_else(|| {
                    EngineError::BadRequest("HostConfig.NetworkMode must be container:<sidecar>".to_owned())
                })?;
                self.containers
                    .find(owner)
                    .ok_or_else(|| EngineError::NoContainer(owner.to_owned()))?;
                let mut env = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
                env.extend(image.env.clone());
                env.extend(request.variables()?);
                let limits = Limits::for_tier(env.get(TIER_VARIABLE).map(String::as_str))?.capped(image.limits);
                let command = request.command(&image.entrypoint)?;
                let (image, running, network) = (image.clone(), Mutex::default(), Mutex::default());
                Kind::App(Box::new(App {
                    image,
                    command,
                    env,
                    limits,
                    running,
                    network,
                }))
            }
        };
        let container = Arc::new(Container {
            log: Arc::new(LogFile::new(&self.run_dir.logs(), &name)),
            id,
            image: request.image.clone(),
            labels: request.labels.clone().unwrap_or_default(),
            network_mode: request.network_mode().to_owned(),
            created_at: Utc::now(),
            kind,
            state: watch::Sender::new(State::NEW),
            turn: tokio::sync::Mutex::default(),
            removing: AtomicBool::new(false),
            name,
        });
        self.containers
            .add(Arc::clone(&container))
            .map_err(|container| EngineError::NameTaken(container.name.clone()))?;
        container.log.reset();
        if let Kind::App(_) = container.kind
            && let Err(error) = self.prepare(&container)
        {
            self.containers.remove(&container.name);
            return Err(error);
        }
        tracing::info!(container = container.name, image = container.image, "created");
        Ok(container)
    }

    fn prepare(&self, container: &Container) -> Result<(), EngineError> {
        std::fs::create_dir_all(self.files_of(container).join("etc"))
            .map_err(|error| EngineError::Io("cannot make the files of the container", error))
    }

    /// Where the files of a container are.
    pub fn files_of(&self, container: &Container) -> PathBuf {
        self.run_dir.containers().join(&container.id)
    }

    /// Starts a container. False if it runs already.
    pub async fn start(self: &Arc<Self>, container: &Arc<Container>) -> Result<bool, EngineError> {
        let _turn = container.turn.lock().await;
        if self.stopping() {
            return Err(EngineError::Stopping);
        }
        match container.state() {
            state if state.removed => return Err(EngineError::NoContainer(container.name.clone())),
            state if state.status == Status::Running => return Ok(false),
            _ => {}
        }
        match &container.kind {
            Kind::Sidecar(sidecar) => {
                let opened = NetworkNamespace::open(&self.spawner, &self.identity, &self.program).await?;
                let egress = Egress::new(&container.name, Arc::clone(&self.allowed), Authority::new()?);
                let started = Sidecar::start(opened, egress)
                    .await
                    .map_err(|error| EngineError::Io("cannot serve the sidecar", error))?;
                let (pid, port) = (started.namespace.pid(), started.port);
                *lock(sidecar) = Some(started);
                container.state.send_modify(|state| {
                    state.started(pid, Utc::now());
                    state.port = Some(port);
                });
                tracing::info!(container = container.name, port, "network is up");
            }
            Kind::App(app) => self.start_app(container, app).await?,
        }
        Ok(true)
    }

    async fn start_app(self: &Arc<Self>, container: &Arc<Container>, app: &App) -> Result<(), EngineError> {
        let begun = std::time::Instant::now();
        let place = self.take_place();
        container.state.send_modify(|state| state.no_place = place.is_err());
        let place = place?;
        let network = self.network_for(container)?;
        let files = RootFiles::prepare(&self.files_of(container), &app.image, network.ids().first_host_id())
            .map_err(|error| EngineError::Io("cannot make the files of the container", error))?;
        let cgroup = self.cgroups.create(&container.name, &app.limits);
        let cgroup = cgroup.map_err(|error| EngineError::Io("cannot bound the container", error))?;
        let spec = LaunchSpec {
            engine_pid: self.pid,
            bubblewrap: self.bubblewrap.clone(),
            user_namespace: network.user_file(),
            network_namespace: network.network_file(),
            privileged: self.identity.privileged(),
            hostname: app.image.hostname.clone(),
            system: system_directories(),
            binds: files.binds.into_iter().chain(counters(&cgroup)).collect(),
            owned: files.owned,
            env: app.env.clone().into_iter().collect(),
            argv: app.command.clone(),
            info_fd: -1,
            report_fd: -1,
        };
        *lock(&app.network) = Some(network);
        let started = start(&self.spawner, &self.program, spec, &cgroup, &container.log).await;
        let (first, supervision) = match started {
            Ok(started) => started,
            Err(error) => {
                cgroup.destroy().await;
                return Err(error.into());
            }
        };
        let pid = first.pid;
        *lock(&app.running) = Some(Running { first });
        container.state.send_modify(|state| {
            state.started(pid, Utc::now());
            state.cgroup = cgroup.path().map(|path| path.display().to_string());
        });
        tracing::info!(
            container = container.name,
            pid,
            ms = begun.elapsed().as_millis() as u64,
            "started"
        );
        let container = Arc::clone(container);
        tokio::spawn(async move {
            watch_over(container, supervision, cgroup).await;
            drop(place);
        });
        Ok(())
    }

    /// A place among the sandboxes that may run; `None` where there is no limit.
    fn take_place(&self) -> Result<Option<OwnedSemaphorePermit>, EngineError> {
        let Some(places) = &self.places else { return Ok(None) };
        let place = Arc::clone(places).try_acquire_owned();
        place.map(Some).map_err(|_| EngineError::NoPlace)
    }

    fn network_for(&self, container: &Container) -> Result<Arc<NetworkNamespace>, EngineError> {
        let owner = container.network_mode.strip_prefix("container:").unwrap_or_default();
        let sidecar = self
            .containers
            .find(owner)
            .ok_or_else(|| EngineError::NoContainer(owner.to_owned()))?;
        let Kind::Sidecar(running) = &sidecar.kind else {
            return Err(EngineError::Conflict(format!("container {owner} owns no network")));
        };
        let network = lock(running).as_ref().map(|sidecar| Arc::clone(&sidecar.namespace));
        network.ok_or_else(|| EngineError::Conflict(format!("cannot join the network of {owner}: it is not running")))
    }

    /// Sends a signal. An error if the container does not run.
    pub fn signal(&self, container: &Container, signal: Signal) -> Result<(), EngineError> {
        let not_running = || EngineError::Conflict(format!("container {} is not running", container.name));
        match &container.kind {
            Kind::App(app) => {
                let running = lock(&app.running);
                let running = running.as_ref().ok_or_else(not_running)?;
                running
                    .first
                    .signal(signal)
                    .map_err(|error| EngineError::Io("cannot send the signal", error))
            }
            Kind::Sidecar(sidecar) => {
                lock(sidecar).take().ok_or_else(not_running)?;
                container
                    .state
                    .send_modify(|state| state.ended(128 + signal as i32, false, Utc::now()));
                Ok(())
            }
        }
    }

    /// Asks a container to end and, after `patience`, makes it. False if it did not run.
    pub async fn stop(&self, container: &Container, patience: Duration) -> Result<bool, EngineError> {
        if container.state().status != Status::Running {
            return Ok(false);
        }
        // It may end by itself between the look and the signal, which is just as well.
        let signal = |signal| drop(self.signal(container, signal));
        signal(Signal::SIGTERM);
        let ended = container.wait_until(|state| state.status != Status::Running);
        if tokio::time::timeout(patience, ended).await.is_err() {
            signal(Signal::SIGKILL);
            container.wait_until(|state| state.status != Status::Running).await;
        }
        Ok(true)
    }

    /// Removes a container and everything of it. One that runs is killed if `force`, else it is an error.
    pub async fn remove(&self, container: &Arc<Container>, force: bool) -> Result<(), EngineError> {
        if !force && container.state().status == Status::Running {
            return Err(EngineError::Conflict(format!(
                "container {} is running: stop it or use force",
                container.name
            )));
        }
        if container.removing.swap(true, Ordering::SeqCst) {
            return Err(EngineError::Conflict(format!(
                "removal of container {} is already in progress",
                container.name
            )));
        }
        let _turn = container.turn.lock().await;
        if container.state().status == Status::Running {
            drop(self.signal(container, Signal::SIGKILL));
            container.wait_until(|state| state.status != Status::Running).await;
        }
        if let Kind::App(app) = &container.kind {
            let network = lock(&app.network).take();
            removal::discard(&self.removals, &self.files_of(container), network).await;
        }
        self.containers.remove(&container.name);
        container.state.send_modify(|state| state.removed = true);
        prune(&self.run_dir.logs());
        tracing::info!(container = container.name, "removed");
        Ok(())
    }
}

/// A container sees the counters of its own group, read-only, as in other engines: by them it knows that memory ran out.
fn counters(cgroup: &Cgroup) -> Option<Bind> {
    let (source, target) = cgroup.counters()?;
    Some(Bind {
        source: source.to_owned(),
        target: target.to_owned(),
        writable: false,
    })
}

/// Waits for the end of a container's first process and records it.
async fn watch_over(container: Arc<Container>, supervision: Supervision, cgroup: Cgroup) {
    let exit_code = supervision.wait().await;
    let memory_killed = cgroup.memory_kills() > 0;
    if let Kind::App(app) = &container.kind {
        *lock(&app.running) = None;
    }
    cgroup.destroy().await;
    container
        .state
        .send_modify(|state| state.ended(exit_code, memory_killed, Utc::now()));
    tracing::info!(container = container.name, exit_code, memory_killed, "ended");
}
