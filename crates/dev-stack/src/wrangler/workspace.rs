//! Writes what wrangler runs with into the state folder: one folder per worker with its configuration and its secrets.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use molt_common::flag::Flag;
use serde_json::Value;

use super::config::{ConfigError, WorkerConfig, dev_vars};
use super::topology::{Worker, public_origins};
use crate::args::UpArgs;
use crate::overrides::{OverrideError, SecretOverrides};
use crate::private_file;
use crate::secrets::Secrets;
use crate::state_dir::{StateDir, make_private};
use crate::users;

/// Issuer of the tokens when the router's configuration names none.
const FALLBACK_ISSUER: &str = "moltworker-dev";

/// What was written.
#[derive(Clone, Debug)]
pub struct Workspace {
    folder: PathBuf,
    /// `iss` of the tokens that the router accepts.
    pub issuer: String,
    /// Binding of the D1 database.
    pub database: Option<String>,
    /// Folder of its migrations.
    pub migrations: Option<PathBuf>,
}

/// Why it could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// A configuration of the clone is not usable.
    #[error("{path}: {error}")]
    Config {
        /// The file.
        path: PathBuf,
        /// Why.
        error: ConfigError,
    },
    /// A worker has not been built.
    #[error("{0} is missing; run scripts/build")]
    NotBuilt(PathBuf),
    /// A secret cannot be written into a `.dev.vars` file.
    #[error("the secret {0} holds a quote or a line break")]
    Secret(String),
    /// The file with further secrets is not what it should be.
    #[error("{path}: {error}")]
    SecretsFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: OverrideError,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Workspace {
    /// Reads the configurations of the clone and writes those that run.
    ///
    /// # Errors
    /// See [`WorkspaceError`].
    pub fn write(
        args: &UpArgs,
        state: &StateDir,
        secrets: &Secrets,
        router_ports: &[u16],
    ) -> Result<Self, WorkspaceError> {
        let mut workspace = Self {
            folder: state.wrangler(),
            issuer: FALLBACK_ISSUER.to_owned(),
            database: None,
            migrations: None,
        };
        let further = further_secrets(args.secrets_file.as_deref())?;
        let legacy = match &args.legacy {
            Some(folder) => Some(read(&args.tools.root.join(folder), "wrangler.jsonc")?),
            None => None,
        };
        for worker in Worker::ALL.into_iter().chain(legacy.as_ref().map(|_| Worker::Legacy)) {
            let mut config = match (&legacy, worker) {
                (Some(legacy), Worker::Legacy) => legacy.clone(),
                _ => read(&args.tools.root.join("wrangler"), &format!("{}.jsonc", worker.name()))?,
            };
            if let (Some(legacy), Worker::Router | Worker::ContainerGateway) = (&legacy, worker) {
                config.bind("LEGACY", legacy.name());
            }
            match worker {
                Worker::Router => {
                    if let Some(issuer) = config.var("JWT_ISSUER") {
                        issuer.clone_into(&mut workspace.issuer);
                    }
                }
                Worker::Admin => {
                    workspace.database = config.database_binding().map(str::to_owned);
                    workspace.migrations = config.migrations_folder();
                }
                Worker::ContainerGateway | Worker::Legacy => {}
            }
            let mut effective = config.effective(&vars(worker, args, router_ports));
            if let Some(folder) = args.workers_build.as_ref().filter(|_| worker != Worker::Legacy) {
                run_build(&mut effective, folder);
            }
            check_built(&effective)?;
            let mut secret_vars = secret_vars(worker, secrets, legacy.is_some());
            secret_vars.extend(further.of(worker).map(|(name, value)| (name, value.to_owned())));
            workspace.write_worker(worker, &effective, &secret_vars)?;
        }
        Ok(workspace)
    }

    /// The configuration of a worker.
    pub fn config(&self, worker: Worker) -> PathBuf {
        self.folder.join(worker.name()).join("wrangler.json")
    }

    /// One that only names a database.
    #[cfg(test)]
    pub(crate) fn for_test(folder: &Path, migrations: PathBuf) -> Self {
        Self {
            folder: folder.to_owned(),
            issuer: FALLBACK_ISSUER.to_owned(),
            database: Some("DB".to_owned()),
            migrations: Some(migrations),
        }
    }

    fn write_worker(&self, worker: Worker, config: &Value, secrets: &[(&str, String)]) -> Result<(), WorkspaceError> {
        let file = self.config(worker);
        let failed = |error| WorkspaceError::Io {
            path: file.clone(),
            error,
        };
        let folder = file.parent().unwrap_or(&self.folder);
        make_private(folder).map_err(failed)?;
        private_file::write(&file, format!("{config:#}\n").as_bytes()).map_err(failed)?;
        let secrets = dev_vars(secrets).map_err(WorkspaceError::Secret)?;
        private_file::write(&folder.join(".dev.vars"), secrets.as_bytes()).map_err(failed)
    }
}

fn read(folder: &Path, file: &str) -> Result<WorkerConfig, WorkspaceError> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).map_err(|error| WorkspaceError::Io {
        path: path.clone(),
        error,
    })?;
    WorkerConfig::parse(&text, folder).map_err(|error| WorkspaceError::Config { path, error })
}

/// Has wrangler run the build in another folder than the deployed one, such as one that panics on request.
fn run_build(config: &mut Value, folder: &str) {
    let Some(main) = config.get_mut("main") else { return };
    if let Some(path) = main.as_str().map(Path::new)
        && let (Some(file), Some(worker)) = (path.file_name(), path.parent().and_then(Path::parent))
    {
        *main = Value::String(worker.join(folder).join(file).to_string_lossy().into_owned());
    }
}

/// wrangler would wait for a missing file instead of saying so.
fn check_built(config: &Value) -> Result<(), WorkspaceError> {
    match config.get("main").and_then(Value::as_str).map(Path::new) {
        Some(main) if !main.exists() => Err(WorkspaceError::NotBuilt(main.to_owned())),
        _ => Ok(()),
    }
}

fn further_secrets(path: Option<&Path>) -> Result<SecretOverrides, WorkspaceError> {
    let Some(path) = path else {
        return Ok(SecretOverrides::default());
    };
    let text = fs::read_to_string(path).map_err(|error| WorkspaceError::Io {
        path: path.to_owned(),
        error,
    })?;
    SecretOverrides::parse(&text).map_err(|error| WorkspaceError::SecretsFile {
        path: path.to_owned(),
        error,
    })
}

fn vars(worker: Worker, args: &UpArgs, router_ports: &[u16]) -> Vec<(String, Value)> {
    let mut vars: Vec<(&str, String)> = match worker {
        Worker::Router => vec![
            ("PUBLIC_ORIGINS", public_origins(router_ports)),
            ("DEV_IDENTITY_USERS", users::identity_users()),
            ("LIMITS", args.limits.name().to_owned()),
        ],
        Worker::Admin => Vec::new(),
        Worker::ContainerGateway => {
            // Docker's sandboxes reach the internet as the runtime does: there is no engine of ours that could pass anything on.
            let forwarder = (args.forward_port != 0)
                .then(|| ("OUTBOUND_FORWARDER", format!("http://127.0.0.1:{}/", args.forward_port)));
            [
                ("PUBLIC_ORIGINS", public_origins(router_ports)),
                ("SANDBOX_AGENT", args.agent.name().to_owned()),
            ]
            .into_iter()
            .chain(forwarder)
            .collect()
        }
        Worker::Legacy => vec![("USERS", users::identity_users())],
    };
    if args.legacy.is_some() && worker != Worker::Legacy {
        vars.push(("LEGACY_MODE", "on".to_owned()));
    }
    if args.legacy.is_some() && worker == Worker::Router {
        // As where the platform is put beside something that serves everybody.
        vars.extend(Flag::ALL.map(|flag| (flag.name(), "false".to_owned())));
    }
    let overrides = args.var.iter().filter(|var| var.worker == worker);
    vars.into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .chain(overrides.map(|var| (var.name.clone(), Value::String(var.value.clone()))))
        .collect()
}

/// A worker gets the secrets of its own work and no others.
fn secret_vars<'a>(worker: Worker, secrets: &Secrets, legacy: bool) -> Vec<(&'a str, String)> {
    let mut vars = Vec::new();
    if worker != Worker::Legacy {
        vars.push(("MOLT_IDENTITY_KEYS", secrets.identity_keys.to_string()));
    }
    if matches!(worker, Worker::Router | Worker::Legacy) {
        vars.push(("MOLTBOT_GATEWAY_MASTER_TOKEN", secrets.admin.clone()));
        vars.push(("SUPABASE_JWT_SECRET", secrets.user_tokens.clone()));
    }
    if worker == Worker::Router {
        vars.push(("MOLT_SESSION_KEYS", secrets.session_keys.to_string()));
    }
    if worker == Worker::ContainerGateway {
        vars.push(("MOLT_REPOSITORY_KEYS", secrets.repository_keys.to_string()));
        vars.push(("MOLT_SECRET_KEYS", secrets.secret_keys.to_string()));
    }
    if legacy && matches!(worker, Worker::ContainerGateway | Worker::Legacy) {
        vars.push(("LEGACY_FENCE_TOKEN", secrets.legacy_fence.clone()));
    }
    vars
}
