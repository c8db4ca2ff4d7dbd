//! The start, step by step: engine, database, workers, and the proof that they answer.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{GRACE, Program, Role, Stack, StackError};
use crate::args::{EngineKind, UpArgs};
use crate::browser;
use crate::engine::{self, EngineClient};
use crate::ports;
use crate::private_file;
use crate::process::child::{GuardedChild, Launch};
use crate::readiness::{Credentials, NotReady};
use crate::ready_file::{ReadyFile, ReadyProcess, ReadyUser};
use crate::restart::RestartBudget;
use crate::users::{self, DEMO_USERS};
use crate::wrangler::command::{DevOptions, Surroundings, Wrangler, environment};
use crate::wrangler::database::DatabaseWork;
use crate::wrangler::topology::{Worker, WranglerProcess, processes, router_urls};
use crate::wrangler::workspace::Workspace;

/// How long the engine may take to answer.
const ENGINE_LIMIT: Duration = Duration::from_secs(20);
/// Pause between two looks at something that is about to happen.
const PAUSE: Duration = Duration::from_millis(20);

/// Says early and by name what is not there.
pub(super) fn check_tools(args: &UpArgs) -> Result<(), StackError> {
    let mut needed = vec![args.tools.node.clone(), args.tools.wrangler.clone()];
    if args.engine == EngineKind::Local {
        needed.extend(["local-engine", "sandboxd"].map(|name| args.tools.bin.join(name)));
    }
    match needed.into_iter().find(|path| !path.exists()) {
        Some(missing) => Err(StackError::MissingTool(missing)),
        None => Ok(()),
    }
}

impl Stack {
    pub(super) async fn start(&mut self) -> Result<(), StackError> {
        let begun = Instant::now();
        let workspace = Workspace::write(&self.args, &self.state, &self.secrets, &self.router_ports)?;
        self.start_engine().await?;
        self.prepare_database(&workspace).await?;
        let ready = self.describe(&workspace.issuer)?;
        self.start_workers(&workspace, &credentials(&ready)).await?;
        self.ready = Some(ready);
        self.write_ready().await?;
        self.announce(begun);
        Ok(())
    }

    async fn start_engine(&mut self) -> Result<(), StackError> {
        if self.args.engine == EngineKind::Docker {
            return Ok(());
        }
        let started = Instant::now();
        let (run, socket) = (self.state.run(), self.state.engine_socket());
        let images = run.join("images.json");
        let text = engine::images(&self.args)?.to_string();
        private_file::write(&images, text.as_bytes()).map_err(|error| StackError::Io("images file", error))?;
        // wrangler calls the engine's command line, and our engine plays it under the name `docker`.
        std::os::unix::fs::symlink(self.args.tools.bin.join("local-engine"), self.docker_program())
            .map_err(|error| StackError::Io("docker link", error))?;
        let command = engine::command(&self.args, &socket, &run.join("engine"), &images);
        let launch = self.launch("engine", command, engine_environment());
        self.spawn(Role::Engine, launch)?;
        let client = EngineClient::new(socket)?;
        self.engine = Some(client.clone());
        let answers = async {
            while client.sandboxes().await.is_err() {
                if started.elapsed() > ENGINE_LIMIT {
                    return Err(NotReady::Deadline {
                        limit: ENGINE_LIMIT,
                        seen: "the engine's socket is silent".to_owned(),
                    });
                }
                tokio::time::sleep(PAUSE).await;
            }
            Ok(())
        };
        self.unless_one_ends(answers).await?;
        self.terminal.step("engine", started, "answers");
        Ok(())
    }

    async fn prepare_database(&mut self, workspace: &Workspace) -> Result<(), StackError> {
        let started = Instant::now();
        let Some(work) = DatabaseWork::plan(&self.wrangler(), workspace, &self.state.run())? else {
            return Ok(());
        };
        for command in &work.commands {
            let launch = self.launch("database", command.clone(), self.wrangler_environment());
            let mut child =
                GuardedChild::start(&launch, &self.terminal).map_err(|error| StackError::Io("database", error))?;
            let ended = child.wait().await;
            child.drain_output().await;
            if !ended.is_success() {
                return Err(StackError::EarlyEnd {
                    name: launch.name,
                    ended,
                });
            }
        }
        work.finish()?;
        self.terminal.step("database", started, "migrated, demo users added");
        Ok(())
    }

    async fn start_workers(&mut self, workspace: &Workspace, credentials: &Credentials) -> Result<(), StackError> {
        let started = Instant::now();
        let limit = Duration::from_secs(self.args.ready_timeout);
        let layout = processes(self.args.split, self.args.legacy.is_some(), &self.router_ports);
        let inner = layout.iter().filter(|process| process.port.is_none()).count();
        // All at once, so that no two are alike.
        let mut free = ports::free(inner + layout.len())?.into_iter();
        for process in &layout {
            let port = process.port.or_else(|| free.next()).unwrap_or_default();
            let inspector_port = free.next().unwrap_or_default();
            let command = self.dev_command(workspace, process, port, inspector_port);
            let launch = self.launch(&process.name, command, self.wrangler_environment());
            let has_containers = process.workers.contains(&Worker::ContainerGateway);
            self.spawn(Role::Wrangler { port, has_containers }, launch)?;
            if layout.len() > 1 {
                // They share a folder of SQLite files and lock each other out while they first open them: one after another.
                let probe = self.probe.clone();
                self.unless_one_ends(async { probe.wait_alive(port, limit).await })
                    .await?;
            }
        }
        let probe = self.probe.clone();
        let urls = router_urls(&self.router_ports);
        self.unless_one_ends(async { probe.wait(&urls, credentials, limit).await })
            .await?;
        self.terminal.step("workers", started, "answer");
        Ok(())
    }

    fn dev_command(
        &self,
        workspace: &Workspace,
        process: &WranglerProcess,
        port: u16,
        inspector_port: u16,
    ) -> Vec<String> {
        let configs: Vec<PathBuf> = process.workers.iter().map(|worker| workspace.config(*worker)).collect();
        self.wrangler().dev(&DevOptions {
            configs: &configs,
            port,
            inspector_port,
            public_origin: self
                .args
                .public_origin
                .as_ref()
                .filter(|_| process.workers.contains(&Worker::Router)),
        })
    }

    fn announce(&mut self, begun: Instant) {
        let urls = router_urls(&self.router_ports);
        let url = urls.first().map_or("", String::as_str).to_owned();
        let names: Vec<&str> = DEMO_USERS.iter().map(|user| user.name).collect();
        let [file, ..] = &*self.ready_files() else { return };
        self.terminal.say(&format!(
            "Ready at {} ({:.1} s)\n  Sign in     open {url} and choose {}\n  Scripts     addresses, tokens and the admin secret are \
             in {}\n  Logs        {}\n  Stop        Ctrl-C",
            urls.join(" and "),
            begun.elapsed().as_secs_f64(),
            names.join(" or "),
            file.display(),
            self.state.logs().display(),
        ));
        if !self.args.no_open && std::io::stdout().is_terminal() {
            self.browser = browser::open(&url);
        }
    }

    fn describe(&self, issuer: &str) -> Result<ReadyFile, StackError> {
        let now = SystemTime::now();
        let users = DEMO_USERS
            .iter()
            .map(|user| {
                let token = users::token(user, &self.secrets.user_tokens, issuer, now)?;
                Ok(ReadyUser {
                    id: user.id,
                    name: user.name,
                    token,
                })
            })
            .collect::<Result<Vec<_>, StackError>>()?;
        let urls = router_urls(&self.router_ports);
        Ok(ReadyFile {
            url: urls.first().cloned().unwrap_or_default(),
            urls,
            admin_secret: self.secrets.admin.clone(),
            users,
            engine_socket: self
                .engine
                .as_ref()
                .map(|_| self.state.engine_socket().to_string_lossy().into_owned()),
            state_dir: self.state.root().to_string_lossy().into_owned(),
            pid: std::process::id(),
            processes: Vec::new(),
        })
    }

    /// Writes the ready files; again after a program was started anew, since its process id has changed.
    pub(super) async fn write_ready(&mut self) -> Result<(), StackError> {
        let Some(mut ready) = self.ready.take() else {
            return Ok(());
        };
        ready.processes = self.running_processes().await;
        let outcome = self.ready_files().iter().try_for_each(|file| ready.write(file));
        self.ready = Some(ready);
        outcome.map_err(|error| StackError::Io("ready file", error))
    }

    /// Process ids of the programs; each guard writes one down right after the start.
    async fn running_processes(&self) -> Vec<ReadyProcess> {
        let mut list = Vec::new();
        for program in &self.programs {
            let deadline = Instant::now() + Duration::from_secs(5);
            while program.child.program_pid().is_none() && Instant::now() < deadline {
                tokio::time::sleep(PAUSE).await;
            }
            list.extend(program.child.program_pid().map(|pid| ReadyProcess {
                name: program.launch.name.clone(),
                pid,
                port: match program.role {
                    Role::Wrangler { port, .. } => Some(port),
                    Role::Engine => None,
                },
            }));
        }
        list
    }

    fn spawn(&mut self, role: Role, launch: Launch) -> Result<(), StackError> {
        let child = GuardedChild::start(&launch, &self.terminal).map_err(|error| StackError::Io("start", error))?;
        self.programs.push(Program {
            role,
            launch,
            child,
            budget: RestartBudget::default(),
        });
        Ok(())
    }

    fn launch(&self, name: &str, command: Vec<String>, env: Vec<(String, String)>) -> Launch {
        Launch {
            name: name.to_owned(),
            command,
            env,
            directory: self.state.wrangler(),
            log: self.log_of(name),
            pid_file: self.state.run().join(format!("{name}.pid")),
            grace: GRACE,
        }
    }

    fn wrangler(&self) -> Wrangler {
        Wrangler {
            node: self.args.tools.node.clone(),
            script: self.args.tools.wrangler.clone(),
            persist_to: self.state.workers(),
        }
    }

    fn docker_program(&self) -> PathBuf {
        self.state.run().join("docker")
    }

    fn wrangler_environment(&self) -> Vec<(String, String)> {
        let (socket, docker) = (self.state.engine_socket(), self.docker_program());
        let surroundings = Surroundings {
            home: &self.state.home(),
            temporary: &self.state.temporary(),
            registry: &self.state.registry(),
            node_folder: self.args.tools.node.parent().unwrap_or(Path::new("/")),
            engine: (self.args.engine == EngineKind::Local).then_some((socket.as_path(), docker.as_path())),
        };
        environment(&surroundings, &|name| std::env::var_os(name))
    }
}

/// The first person and the admin, as a script would call.
fn credentials(ready: &ReadyFile) -> Credentials {
    let person = ready.users.first();
    Credentials {
        admin: ready.admin_secret.clone(),
        user: person.map(|user| user.id).unwrap_or_default(),
        authorization: format!("Bearer {}", person.map(|user| user.token.as_str()).unwrap_or_default()),
    }
}

/// The engine needs to find the system's programs, and may be asked to say more.
fn engine_environment() -> Vec<(String, String)> {
    ["PATH", "LANG", "RUST_LOG", "RUST_BACKTRACE"]
        .into_iter()
        .filter_map(|name| std::env::var(name).ok().map(|value| (name.to_owned(), value)))
        .collect()
}
