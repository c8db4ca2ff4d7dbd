//! Settings of one boot: read from the environment by `init`, handed to `serve` on a pipe.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use molt_common::control::{CONTROL_PORT, PROXY_PORT, env};
use serde::{Deserialize, Serialize};

/// Shortest control token that is accepted, in characters.
const MIN_TOKEN_CHARS: usize = 32;

/// A value that is never printed. It is serialised, because the pipe from `init` to `serve` carries it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value itself, for comparing.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("[secret]")
    }
}

/// Which program the sandbox runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentKind {
    /// The real agent.
    Openclaw,
    /// The stand-in of tests.
    Echo,
}

impl AgentKind {
    /// The word used in `MOLT_AGENT` and in the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Openclaw => "openclaw",
            Self::Echo => "echo",
        }
    }
}

/// Where things are and on which ports. A sandbox uses the defaults; tests run several supervisors side by side and change them.
#[derive(Args, Clone, Debug, Serialize, Deserialize)]
pub struct Layout {
    /// Home of the agent's user.
    #[arg(long, env = "SANDBOXD_HOME", default_value = "/home/agent", hide = true)]
    pub home: PathBuf,
    /// Folder of the supervisor's own state, closed to the agent.
    #[arg(long, env = "SANDBOXD_STATE_DIR", default_value = "/var/lib/molt", hide = true)]
    pub state_dir: PathBuf,
    /// Folder that holds the `node` program.
    #[arg(long, env = "SANDBOXD_NODE_BIN", default_value = "/opt/node/bin", hide = true)]
    pub node_bin: PathBuf,
    /// Folder that holds the agent's `node_modules`.
    #[arg(long, env = "SANDBOXD_OPENCLAW_DIR", default_value = "/opt/openclaw", hide = true)]
    pub openclaw_dir: PathBuf,
    /// Address on which proxy and control API listen.
    #[arg(long, env = "SANDBOXD_LISTEN", default_value = "0.0.0.0", hide = true)]
    pub listen: IpAddr,
    /// Port of the reverse proxy.
    #[arg(long, env = "SANDBOXD_PROXY_PORT", default_value_t = PROXY_PORT, hide = true)]
    pub proxy_port: u16,
    /// Port of the control API.
    #[arg(long, env = "SANDBOXD_CONTROL_PORT", default_value_t = CONTROL_PORT, hide = true)]
    pub control_port: u16,
    /// Loopback port of the agent.
    #[arg(long, env = "SANDBOXD_AGENT_PORT", default_value_t = 18789, hide = true)]
    pub agent_port: u16,
    /// User id of the agent and of commands when the supervisor runs as root.
    #[arg(long, env = "SANDBOXD_AGENT_UID", default_value_t = 1000, hide = true)]
    pub agent_uid: u32,
    /// Group id of the agent and of commands when the supervisor runs as root.
    #[arg(long, env = "SANDBOXD_AGENT_GID", default_value_t = 1000, hide = true)]
    pub agent_gid: u32,
    /// Milliseconds within which a started agent has to admit traffic before it is started anew.
    #[arg(
        long,
        env = "SANDBOXD_AGENT_START_TIMEOUT_MS",
        default_value_t = 300_000,
        hide = true
    )]
    pub agent_start_timeout_ms: u64,
    /// Milliseconds from the order to stop to KILL for the agent, its coming to rest before TERM among them. Its own drain can take minutes; a platform
    /// that stops a sandbox does not wait so long.
    #[arg(long, env = "SANDBOXD_AGENT_STOP_GRACE_MS", default_value_t = 13_000, hide = true)]
    pub agent_stop_grace_ms: u64,
    /// Milliseconds after which an upload is forgotten to which nothing was added.
    #[arg(long, env = "SANDBOXD_UPLOAD_TTL_MS", default_value_t = 86_400_000, hide = true)]
    pub upload_ttl_ms: u64,
    /// Milliseconds within which the disk has to be restored.
    #[arg(long, env = "SANDBOXD_RESTORE_LIMIT_MS", default_value_t = 1_800_000, hide = true)]
    pub restore_limit_ms: u64,
    /// Milliseconds that one save, or one work of upkeep, may take while the sandbox runs.
    #[arg(long, env = "SANDBOXD_SAVE_LIMIT_MS", default_value_t = 3_600_000, hide = true)]
    pub save_limit_ms: u64,
    /// Milliseconds that the save of a stop may take, after agent and commands have ended.
    #[arg(long, env = "SANDBOXD_STOP_SAVE_LIMIT_MS", default_value_t = 600_000, hide = true)]
    pub stop_save_limit_ms: u64,
    /// Program that is started as `<program> snapshot`; this one when absent.
    #[arg(long, env = "SANDBOXD_SNAPSHOT_PROGRAM", hide = true)]
    pub snapshot_program: Option<PathBuf>,
    /// Milliseconds during which the echo agent says that it is starting.
    #[arg(long, env = "SANDBOXD_ECHO_START_DELAY_MS", default_value_t = 0, hide = true)]
    pub echo_start_delay_ms: u64,
}

/// Arguments of `sandboxd init`.
#[derive(Args, Clone, Debug)]
pub struct InitArgs {
    #[command(flatten)]
    pub layout: Layout,
}

/// Everything `serve` has to know.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Random id of this boot.
    pub boot_id: String,
    /// Opaque id of the sandbox.
    pub sandbox_id: String,
    /// Number of this start, from 1.
    pub generation: u64,
    /// Secret that opens the control port.
    pub control_token: Secret,
    /// The one identity that the agent accepts.
    pub owner: String,
    /// `https://host` origins of the agent's page.
    pub public_origins: Vec<String>,
    /// What runs.
    pub agent: AgentKind,
    /// `1`, `2` or `3`.
    pub tier: u8,
    /// Whether sockets resume with replay.
    #[serde(default)]
    pub socket_resume: bool,
    /// Whether the disk is kept: restored before the agent starts, saved while it runs and at the stop.
    #[serde(default)]
    pub keeps_disk: bool,
    /// Whether the start is told what the user's part of the agent's configuration is to be.
    #[serde(default)]
    pub awaits_config: bool,
    /// Whether the start is told how its agent reaches providers.
    #[serde(default)]
    pub awaits_providers: bool,
    /// Paths and ports.
    pub layout: Layout,
}

/// Why the environment is not one to start from. Names the variable, never its value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SettingsError {
    #[error("{0} is not set")]
    Missing(&'static str),
    #[error("{name} {problem}")]
    Invalid { name: &'static str, problem: &'static str },
}

impl Settings {
    /// Reads and checks the `MOLT_*` variables of `vars`.
    pub fn from_vars(vars: &BTreeMap<String, String>, layout: Layout, boot_id: String) -> Result<Self, SettingsError> {
        let required = |name: &'static str| match vars.get(name).map(String::as_str) {
            None | Some("") => Err(SettingsError::Missing(name)),
            Some(value) => Ok(value),
        };
        let invalid = |name, problem| SettingsError::Invalid { name, problem };

        let control_token = required(env::CONTROL_TOKEN)?;
        if control_token.chars().count() < MIN_TOKEN_CHARS {
            return Err(invalid(env::CONTROL_TOKEN, "is shorter than 32 characters"));
        }
        let generation = required(env::GENERATION)?
            .parse::<u64>()
            .ok()
            .filter(|generation| *generation > 0)
            .ok_or_else(|| invalid(env::GENERATION, "is not a positive whole number"))?;
        let agent = match required(env::AGENT)? {
            "openclaw" => AgentKind::Openclaw,
            "echo" => AgentKind::Echo,
            _ => return Err(invalid(env::AGENT, "is neither openclaw nor echo")),
        };
        let tier = match vars.get(env::TIER).map(String::as_str) {
            None | Some("" | "1") => 1,
            Some("2") => 2,
            Some("3") => 3,
            Some(_) => return Err(invalid(env::TIER, "is not 1, 2 or 3")),
        };
        let socket_resume = match vars.get(env::SOCKET_RESUME).map(String::as_str) {
            None | Some("" | "off") => false,
            Some("on") => true,
            Some(_) => return Err(invalid(env::SOCKET_RESUME, "is neither on nor off")),
        };
        let keeps_disk = match vars.get(env::RESTORE).map(String::as_str) {
            None | Some("") => false,
            Some("wait") => true,
            Some(_) => return Err(invalid(env::RESTORE, "is not wait")),
        };
        let awaits_config = match vars.get(env::CONFIG).map(String::as_str) {
            None | Some("") => false,
            Some("wait") => true,
            Some(_) => return Err(invalid(env::CONFIG, "is not wait")),
        };
        let awaits_providers = match vars.get(env::PROVIDERS).map(String::as_str) {
            None | Some("") => false,
            Some("wait") => true,
            Some(_) => return Err(invalid(env::PROVIDERS, "is not wait")),
        };
        let owner = required(env::OWNER)?;
        if !owner.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(invalid(env::OWNER, "has characters that cannot stand in a header"));
        }
        let public_origins: Vec<String> = required(env::PUBLIC_ORIGINS)?
            .split(',')
            .map(|origin| origin.trim().to_owned())
            .collect();
        if !public_origins.iter().all(|origin| is_origin(origin)) {
            return Err(invalid(env::PUBLIC_ORIGINS, "has an entry that is not scheme://host"));
        }
        Ok(Self {
            boot_id,
            sandbox_id: required(env::SANDBOX_ID)?.to_owned(),
            generation,
            control_token: Secret(control_token.to_owned()),
            owner: owner.to_owned(),
            public_origins,
            agent,
            tier,
            socket_resume,
            keeps_disk,
            awaits_config,
            awaits_providers,
            layout,
        })
    }
}

/// `http(s)://authority` and nothing behind it, as browsers write an origin.
fn is_origin(text: &str) -> bool {
    text.parse::<hyper::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some()
            && !text.trim_end().ends_with('/')
            && uri.path() == "/"
            && uri.query().is_none()
    })
}

#[cfg(test)]
pub mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Defaults {
        #[command(flatten)]
        layout: Layout,
    }

    /// The layout of a real sandbox.
    pub fn layout() -> Layout {
        Defaults::parse_from(["test"]).layout
    }

    /// Those of a real sandbox with the stand-in for the agent.
    pub fn settings() -> Settings {
        Settings::from_vars(&vars(), layout(), "boot".to_owned()).unwrap()
    }

    fn vars() -> BTreeMap<String, String> {
        [
            (env::SANDBOX_ID, "sb-1"),
            (env::GENERATION, "7"),
            (env::CONTROL_TOKEN, "0123456789abcdef0123456789abcdef"),
            (env::OWNER, "user-1"),
            (env::PUBLIC_ORIGINS, "https://a.example, http://b.localhost:8787"),
            (env::AGENT, "echo"),
            (env::TIER, "2"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
    }

    #[test]
    fn a_full_environment_is_read() {
        let settings = settings();
        assert_eq!(settings.generation, 7);
        assert_eq!(settings.agent, AgentKind::Echo);
        assert!(!settings.socket_resume, "off unless it is said");
        assert!(!settings.keeps_disk, "not unless it is said");
        assert_eq!(
            settings.public_origins,
            ["https://a.example", "http://b.localhost:8787"]
        );
    }

    #[test]
    fn every_bad_value_is_refused_by_name_and_without_its_value() {
        for (name, value) in [
            (env::SANDBOX_ID, ""),
            (env::GENERATION, "0"),
            (env::GENERATION, "-1"),
            (env::GENERATION, "x"),
            (env::CONTROL_TOKEN, "short-zzzz"),
            (env::OWNER, "a b"),
            (env::OWNER, "a\r\nx-evil: 1"),
            (env::PUBLIC_ORIGINS, "https://a.example/path"),
            (env::PUBLIC_ORIGINS, "a.example"),
            (env::PUBLIC_ORIGINS, "javascript:x"),
            (env::AGENT, "other"),
            (env::TIER, "4"),
            (env::SOCKET_RESUME, "yes"),
            (env::RESTORE, "later"),
            (env::CONFIG, "never"),
            (env::PROVIDERS, "now"),
        ] {
            let mut vars = vars();
            vars.insert(name.to_owned(), value.to_owned());
            let error = Settings::from_vars(&vars, layout(), String::new())
                .unwrap_err()
                .to_string();
            assert!(error.contains(name), "{name}={value:?}: {error}");
            assert!(value.len() < 5 || !error.contains(value), "{name}={value:?}: {error}");
        }
    }

    #[test]
    fn the_token_is_not_printed() {
        let settings = settings();
        assert!(!format!("{settings:?}").contains("0123456789abcdef"));
    }
}
