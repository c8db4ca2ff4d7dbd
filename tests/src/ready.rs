//! What a running stack tells about itself: the ready file and the secrets in its state folder.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Contents of the ready file (`scripts/dev --ready-file`).
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ready {
    /// Address of the first router, without a slash at the end.
    pub url: String,
    /// Addresses of all routers.
    pub urls: Vec<String>,
    /// Bootstrap secret of the admin API.
    pub admin_secret: String,
    /// The seeded people.
    pub users: Vec<ReadyUser>,
    /// Socket of the engine stand-in; `None` where Docker runs the sandboxes.
    pub engine_socket: Option<PathBuf>,
    /// State folder, absolute.
    pub state_dir: PathBuf,
    /// Process id of the supervisor; TERM stops the stack.
    pub pid: i32,
    /// Programs of the stack.
    pub processes: Vec<ReadyProcess>,
}

/// A seeded person.
#[derive(Clone, Deserialize)]
pub struct ReadyUser {
    /// User id.
    pub id: String,
    /// First name.
    pub name: String,
    /// Bearer token, good for 24 h.
    pub token: String,
}

/// A program of the stack.
#[derive(Clone, Debug, Deserialize)]
pub struct ReadyProcess {
    /// `engine`, `workers`, `router`, `router-2`, `admin` or `container-gateway`.
    pub name: String,
    /// Process id.
    pub pid: i32,
    /// Where it listens on 127.0.0.1; `None` for the engine.
    #[serde(default)]
    pub port: Option<u16>,
}

impl Ready {
    /// Reads the file; `None` while it is not there or not whole.
    #[must_use]
    pub fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }

    /// Process id of a program as the file in the state folder names it now: one that was restarted has a new one.
    ///
    /// # Panics
    /// When the stack has no program of this name.
    #[must_use]
    pub fn process(&self, name: &str) -> i32 {
        self.program(name).pid
    }

    /// Address of a program of its own (`--split`), to call it without the router.
    ///
    /// # Panics
    /// When the stack has no program of this name, or it listens nowhere.
    #[must_use]
    pub fn address(&self, name: &str) -> String {
        let port = self.program(name).port.unwrap_or_else(|| panic!("{name} has no port"));
        format!("http://127.0.0.1:{port}")
    }

    fn program(&self, name: &str) -> ReadyProcess {
        let now = Self::read(&self.state_dir.join("ready.json"));
        let processes = now.map_or_else(|| self.processes.clone(), |ready| ready.processes);
        let found = processes.iter().find(|process| process.name == name).cloned();
        found.unwrap_or_else(|| panic!("the stack has no {name}: {processes:?}"))
    }
}

/// Secrets of the stack, which tests need to forge tokens and to make sure that none is seen anywhere.
#[derive(Clone, Deserialize)]
pub struct Secrets {
    /// Secret that signs users' tokens.
    #[serde(rename = "SUPABASE_JWT_SECRET")]
    pub user_tokens: String,
    /// Bootstrap secret of the admin API.
    #[serde(rename = "MOLTBOT_GATEWAY_MASTER_TOKEN")]
    pub admin: String,
    /// Keys by which the workers know each other.
    #[serde(rename = "MOLT_IDENTITY_KEYS")]
    pub identity_keys: serde_json::Value,
    /// Keys that seal what browsers keep for the router.
    #[serde(rename = "MOLT_SESSION_KEYS")]
    pub session_keys: serde_json::Value,
    /// Root keys of the sandboxes' repositories.
    #[serde(rename = "MOLT_REPOSITORY_KEYS")]
    pub repository_keys: serde_json::Value,
    /// Root keys of users' secrets.
    #[serde(rename = "MOLT_SECRET_KEYS")]
    pub secret_keys: serde_json::Value,
    /// What the gateway shows to what ran before.
    #[serde(rename = "LEGACY_FENCE_TOKEN")]
    pub legacy_fence: String,
}

impl Secrets {
    /// Reads them from a state folder.
    ///
    /// # Errors
    /// When they are not there or not as expected.
    pub fn read(state_dir: &Path) -> std::io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(state_dir.join("secrets.json"))?)?)
    }

    /// Every secret text, for searching.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        let sets = [
            &self.identity_keys,
            &self.session_keys,
            &self.repository_keys,
            &self.secret_keys,
        ];
        let keys = sets
            .into_iter()
            .filter_map(|set| set["keys"].as_object())
            .flat_map(|keys| keys.values());
        let keys = keys.filter_map(serde_json::Value::as_str).map(str::to_owned);
        keys.chain([&self.user_tokens, &self.admin, &self.legacy_fence].map(String::clone))
            .collect()
    }
}
