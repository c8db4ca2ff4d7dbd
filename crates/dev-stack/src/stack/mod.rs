//! The stack: its programs, started in order, kept running, and stopped in order.

mod shutdown;
mod start;
mod supervise;
mod watchdog;

use std::path::PathBuf;
use std::time::Duration;

use crate::args::{EngineKind, UpArgs};
use crate::engine::{EngineClient, MissingAgent};
use crate::ports::{self, PortError};
use crate::process::child::{Ended, GuardedChild, Launch};
use crate::readiness::{NotReady, Probe};
use crate::ready_file::ReadyFile;
use crate::restart::RestartBudget;
use crate::secrets::{Secrets, SecretsError};
use crate::state_dir::{StateDir, StateDirError};
use crate::stop_signal::StopSignal;
use crate::terminal::Terminal;
use crate::users::TokenError;
use crate::wrangler::database::DatabaseError;
use crate::wrangler::workspace::WorkspaceError;

/// Why the stack could not start or did not stay up.
#[derive(Debug, thiserror::Error)]
pub enum StackError {
    /// A tool is missing.
    #[error("{0} is missing; run scripts/setup and scripts/build")]
    MissingTool(PathBuf),
    /// The state folder.
    #[error(transparent)]
    State(#[from] StateDirError),
    /// The secrets.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The ports.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The configurations.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The database's files.
    #[error(transparent)]
    Database(#[from] DatabaseError),
    /// The agent.
    #[error(transparent)]
    Agent(#[from] MissingAgent),
    /// A token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It does not answer.
    #[error(transparent)]
    NotReady(#[from] NotReady),
    /// A program ended while the stack was starting.
    #[error("{name} ended with {ended} while the stack was starting")]
    EarlyEnd {
        /// The program.
        name: String,
        /// How.
        ended: Ended,
    },
    /// A program ended again and again.
    #[error("{0} ends again and again; giving up")]
    GivenUp(String),
    /// Something is left that cannot be killed.
    #[error("{0} processes of the stack could not be ended")]
    Leftover(usize),
    /// A client could not be set up.
    #[error("http client: {0}")]
    Client(#[from] reqwest::Error),
    /// A call to the system failed.
    #[error("{0}: {1}")]
    Io(&'static str, std::io::Error),
}

/// What a program of the stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// The container engine.
    Engine,
    /// A `wrangler dev`.
    Wrangler {
        /// Where it listens.
        port: u16,
        /// Whether the containers belong to a worker in it.
        has_containers: bool,
    },
}

/// A program that is kept running.
#[derive(Debug)]
struct Program {
    role: Role,
    launch: Launch,
    child: GuardedChild,
    budget: RestartBudget,
}

/// Everything that belongs to one run.
#[derive(Debug)]
struct Stack {
    args: UpArgs,
    state: StateDir,
    secrets: Secrets,
    terminal: Terminal,
    probe: Probe,
    router_ports: Vec<u16>,
    engine: Option<EngineClient>,
    programs: Vec<Program>,
    /// What scripts are told, once it is so.
    ready: Option<ReadyFile>,
    /// Session of the browser that was opened.
    browser: Option<i32>,
}

/// Runs the stack until it is told to stop.
///
/// # Errors
/// When it could not start, did not stay up, or left something behind. Nothing runs any more in any case.
pub async fn up(args: UpArgs, terminal: Terminal) -> Result<(), StackError> {
    let mut stop = StopSignal::listen().map_err(|error| StackError::Io("signals", error))?;
    // What a killed guard leaves comes to this process and not to the machine's init.
    nix::sys::prctl::set_child_subreaper(true).map_err(|errno| StackError::Io("subreaper", errno.into()))?;
    let mut stack = Stack::prepare(args, terminal)?;
    let outcome = tokio::select! {
        outcome = stack.run() => outcome,
        () = stop.requested() => Ok(()),
    };
    if let Err(error) = &outcome {
        stack.show_logs(error);
    }
    let left = stack.shut_down(stop).await;
    outcome?;
    if left > 0 {
        Err(StackError::Leftover(left))
    } else {
        Ok(())
    }
}

impl Stack {
    fn prepare(mut args: UpArgs, terminal: Terminal) -> Result<Self, StackError> {
        start::check_tools(&args)?;
        // Known to the engine and the gateway before either runs, and the same when one is started again.
        if args.engine == EngineKind::Local && args.forward_port == 0 {
            args.forward_port = ports::free(1)?.into_iter().next().unwrap_or_default();
        }
        let state = StateDir::open(&args.state_dir)?;
        let secrets = Secrets::load_or_create(&state.secrets())?;
        let router_ports = ports::for_routers(args.port, args.routers)?;
        let probe = Probe::new()?;
        Ok(Self {
            args,
            state,
            secrets,
            terminal,
            probe,
            router_ports,
            engine: None,
            programs: Vec::new(),
            ready: None,
            browser: None,
        })
    }

    async fn run(&mut self) -> Result<(), StackError> {
        self.start().await?;
        self.supervise().await
    }

    /// Files that hold the ready information: always one in the state folder, and the one that was asked for.
    fn ready_files(&self) -> Vec<PathBuf> {
        std::iter::once(self.state.root().join("ready.json"))
            .chain(self.args.ready_file.clone())
            .collect()
    }

    /// The end of the logs, when the error is about what a program did: of that program, or of all when none is known.
    fn show_logs(&self, error: &StackError) {
        let culprit = match error {
            StackError::EarlyEnd { name, .. } | StackError::GivenUp(name) => Some(name),
            StackError::NotReady(_) => None,
            _ => return,
        };
        let names = match culprit {
            Some(name) => vec![name],
            None => self.programs.iter().map(|program| &program.launch.name).collect(),
        };
        for log in names.into_iter().map(|name| self.log_of(name)) {
            if let Some(tail) = crate::process::log::tail(&log) {
                self.terminal.warn(&format!("end of {}:\n{tail}", log.display()));
            }
        }
    }

    fn log_of(&self, name: &str) -> PathBuf {
        self.state.logs().join(format!("{name}.log"))
    }
}

/// Time between TERM and KILL of a program when the stack stops.
const GRACE: Duration = Duration::from_secs(15);
