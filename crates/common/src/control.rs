//! The contract between the edge (the `Sandbox` Durable Object) and `sandboxd`, the supervisor inside the sandbox.
//!
//! Two TCP ports inside the sandbox: [`PROXY_PORT`] carries the user's HTTP and WebSocket traffic for the agent, [`CONTROL_PORT`]
//! carries this JSON API and asks for `Authorization: Bearer <MOLT_CONTROL_TOKEN>` on every request but `GET /healthz`.

pub mod config;
pub mod files;
pub mod provider;
pub mod snapshot;

use crate::output::{OutputCursor, OutputPiece};
use serde::{Deserialize, Serialize};

/// Port of the reverse proxy in front of the agent.
pub const PROXY_PORT: u16 = 8080;
/// Port of the control API.
pub const CONTROL_PORT: u16 = 8081;

/// Names of the environment variables that a start hands to `sandboxd init`. None of them reaches the agent or a command.
pub mod env {
    /// Opaque id of the sandbox.
    pub const SANDBOX_ID: &str = "MOLT_SANDBOX_ID";
    /// Number of this start, from 1.
    pub const GENERATION: &str = "MOLT_GENERATION";
    /// Secret of this start that opens the control port; at least 32 characters.
    pub const CONTROL_TOKEN: &str = "MOLT_CONTROL_TOKEN";
    /// User id of the owner: the one identity that the agent accepts.
    pub const OWNER: &str = "MOLT_OWNER";
    /// Comma-separated public origins (`https://host`) from which the agent's page is served.
    pub const PUBLIC_ORIGINS: &str = "MOLT_PUBLIC_ORIGINS";
    /// `openclaw` or `echo`.
    pub const AGENT: &str = "MOLT_AGENT";
    /// `1`, `2` or `3`.
    pub const TIER: &str = "MOLT_TIER";
    /// `on` or `off`: whether sockets resume with replay (`crate::resume`).
    pub const SOCKET_RESUME: &str = "MOLT_SOCKET_RESUME";
    /// `wait`: the agent is not started before `POST /v1/begin` has said what the disk is to hold, and the disk holds it.
    pub const RESTORE: &str = "MOLT_RESTORE";
    /// `wait`: the agent is not started before `PUT /v1/config/handed` has said what the user's part of its configuration is to be.
    pub const CONFIG: &str = "MOLT_CONFIG";
    /// `wait`: the agent is not started before `PUT /v1/providers/handed` has said how it reaches providers.
    pub const PROVIDERS: &str = "MOLT_PROVIDERS";
}

/// Names of the headers that the `Sandbox` object sets on what it passes to [`PROXY_PORT`]. `sandboxd` trusts these and no others,
/// and removes them before the agent sees the request.
pub mod header {
    /// Verified user id (the owner's, today).
    pub const USER: &str = "x-molt-user";
    /// Request id given by the router.
    pub const REQUEST_ID: &str = "x-request-id";
    /// Address of the client as the router saw it.
    pub const CLIENT_IP: &str = "x-molt-client-ip";
    /// Scheme that the client used: `http` or `https`.
    pub const PROTO: &str = "x-molt-proto";
    /// `Host` that the client used.
    pub const HOST: &str = "x-molt-host";
    /// `Accept-Encoding` of the client, `identity` when it sent none. The edge runtime adds its own to subrequests.
    pub const ACCEPT_ENCODING: &str = "x-molt-accept-encoding";
    /// Session of the user (`crate::trust::SessionRef`); sockets are closed by it.
    pub const SESSION: &str = "x-molt-session";
    /// Epoch milliseconds at which the user's token ends; a socket that was opened with it ends then.
    pub const SESSION_UNTIL: &str = "x-molt-session-until";
    /// On an answer: the agent admits no traffic just now, and `sandboxd` itself answered. An agent cannot set it.
    pub const NOT_READY: &str = "x-molt-not-ready";
    /// Value of [`NOT_READY`]: the agent is on its way up.
    pub const NOT_READY_STARTING: &str = "starting";
    /// Value of [`NOT_READY`]: the agent broke this exchange; perhaps it has just ended.
    pub const NOT_READY_BROKE_OFF: &str = "broke-off";
}

/// How far a start has come inside the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SupervisorPhase {
    /// Waiting for what the disk is to hold, or restoring it.
    Restore,
    /// Writing the agent's configuration.
    Configure,
    /// The agent's process runs and does not yet admit traffic.
    Agent,
    /// The agent admits traffic.
    Ready,
    /// The agent ended or could not start; `cause` says why. It is being started again after a pause.
    Failed,
    /// TERM was received: no new work.
    Stopping,
}

/// In a cause: between what happened and the agent's last lines, when they are told.
pub const LAST_LINES: &str = "; last lines: ";

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SupervisorStatus {
    /// Random id of this boot of the container's init process. It survives a restart of `sandboxd serve`.
    pub boot_id: String,
    /// As given by `MOLT_GENERATION`.
    pub generation: u64,
    /// How far the start has come.
    pub phase: SupervisorPhase,
    /// Why the agent is not there, when `phase` is `failed`.
    pub cause: Option<String>,
    /// `openclaw` or `echo`.
    pub agent: String,
    /// Process id of the agent inside the sandbox.
    pub agent_pid: Option<u32>,
    /// How often the agent was started again in this boot.
    pub agent_restarts: u32,
    /// WebSocket connections that are open through the proxy.
    pub open_sockets: u32,
    /// Epoch milliseconds of the last HTTP request through the proxy, if any.
    pub last_request_at: Option<u64>,
    /// Epoch milliseconds of the last bytes that a client sent on a WebSocket, if any.
    pub last_client_frame_at: Option<u64>,
    /// Commands that run now.
    pub running_commands: u32,
    /// Epoch milliseconds of the last activity: a request, a frame of a client, a command that ran, or the agent's own work. An open tab, a
    /// heartbeat or an agent's tick is none. `None` if never in this boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_active_at: Option<u64>,
    /// What is going on now, so that the sandbox must not sleep; empty when nothing is. In words of a fixed set: `command`, `agent`, `exchange`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub busy: Vec<String>,
    /// Epoch milliseconds at which the agent has something to do by itself next (its own schedule), if it told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_wake_at: Option<u64>,
    /// The newest restart of the agent that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<AgentRestart>,
    /// How the disk is kept; `None` from a supervisor that keeps none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshots: Option<Box<snapshot::SnapshotStatus>>,
    /// How the agent's configuration stands; `None` from a supervisor that does not look at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Box<config::ConfigStatus>>,
    /// What the agent was given besides; `None` from a supervisor that is not to be given anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub providers: Option<Box<provider::ProvidersView>>,
    /// Last lines of the agent's output, oldest first, at most 50.
    pub log_tail: Vec<String>,
    /// Epoch milliseconds at which this answer was made.
    pub now: u64,
}

/// `POST /v1/agent/restart` (202 with [`AgentRestart`]; 409 `conflict` while another one is under way): end the agent orderly, sweep what it left
/// behind, and start it again. Idempotent by `id`. The disk stays. Clients are told by close code 1012.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RestartAgent {
    /// Id chosen by the caller, `[A-Za-z0-9_-]{1,64}`.
    pub id: String,
}

/// How far a restart of the agent is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentRestart {
    /// As asked for.
    pub id: String,
    /// Whether the new agent's process exists. It is ready when `phase` says so.
    pub done: bool,
    /// Why no new process could be started; then the restart is over, and the supervisor goes on trying as after a crash.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// `POST /v1/exec`: start a command. Idempotent by `exec_id`: the same id again answers with the state of the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecStart {
    /// Id chosen by the caller, `[A-Za-z0-9_-]{1,64}`.
    pub exec_id: String,
    /// A command line for `/bin/sh -c`. Exactly one of `command` and `argv` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// A program and its arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argv: Option<Vec<String>>,
    /// Working directory; the agent's home when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<String>,
    /// Added to the plain environment of a command.
    #[serde(default)]
    pub env: std::collections::BTreeMap<String, String>,
    /// Text for standard input; closed at once when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<String>,
    /// Milliseconds from the start of the process until it is stopped: TERM, `kill_grace_ms`, KILL to everything that descends from it.
    pub timeout_ms: u64,
    /// Milliseconds between TERM and KILL.
    #[serde(default = "kill_grace")]
    pub kill_grace_ms: u64,
    /// Bytes kept of each stream: the first half and the last half of it.
    pub max_output_bytes: u64,
    /// User id, from 1; the agent's user when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// Limits of the command's processes.
    #[serde(default, skip_serializing_if = "ExecLimits::is_none")]
    pub limits: ExecLimits,
}

const fn kill_grace() -> u64 {
    5_000
}

/// Limits of a command's processes, each of which the kernel enforces; absent ones are those of the sandbox (`setrlimit(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ExecLimits {
    /// Address space of each process, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processor time of each process, seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<u64>,
    /// Size of each file written, bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file_bytes: Option<u64>,
    /// Open files of each process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// Processes and threads of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
}

impl ExecLimits {
    /// Whether nothing is limited.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// What `GET /v1/exec/{id}/output` waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitFor {
    /// Output after the cursor, or the end.
    #[default]
    Output,
    /// The end; output is told then, or when the wait is over.
    End,
}

/// `GET /v1/exec/{id}/output?after=<cursor>&waitMs=&waitFor=output|end&limitBytes=` (200; 404 when unknown): how a command stands, and
/// what it has written after the cursor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecPage {
    /// How it stands. Its counts are of the same moment as the pieces.
    pub report: ExecReport,
    /// What is kept and follows the cursor, of each stream in order, at most `limitBytes` altogether.
    pub pieces: Vec<OutputPiece>,
    /// Position after the pieces; where nothing that is kept follows, the whole length of the stream.
    pub cursor: OutputCursor,
    /// Whether more is there already.
    pub more: bool,
}

/// Why sessions end before their sockets do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionEnd {
    /// The token reached its end: a renewed one resumes.
    Expired,
    /// The user signed out.
    SignedOut,
    /// An operator suspended the user.
    Suspended,
}

impl SessionEnd {
    /// Close code of the sockets, from the range that is free for applications (RFC 6455 7.4.2).
    #[must_use]
    pub const fn close_code(self) -> u16 {
        match self {
            Self::Expired => 4401,
            Self::SignedOut => 4402,
            Self::Suspended => 4403,
        }
    }

    /// Close reason, for people; far below the 123 bytes that a close frame may carry.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Expired => "session expired: sign in again or reconnect with a renewed token",
            Self::SignedOut => "signed out",
            Self::Suspended => "account suspended",
        }
    }
}

/// `POST /v1/sessions/end` (200 with [`SessionsEnded`]): closes the open sockets of one session, or of all, and refuses new ones of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EndSessions {
    /// The session (`crate::trust::SessionRef`); every one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Why, which decides the close code.
    pub reason: SessionEnd,
}

/// Answer of `POST /v1/sessions/end`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionsEnded {
    /// Sockets that are being closed.
    pub sockets: u32,
}

/// State of a command inside the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecState {
    /// The process runs.
    Running,
    /// It exited with code 0.
    Succeeded,
    /// It exited with another code, was ended by a signal, or could not be started (`error` says so).
    Failed,
    /// It was stopped at its timeout.
    TimedOut,
    /// It was stopped on request.
    Cancelled,
    /// Its outcome was not observed (the supervisor was killed while it ran).
    Lost,
}

/// `POST /v1/exec` (202), `GET /v1/exec/{id}?waitMs=` (200; 404 when unknown), `DELETE /v1/exec/{id}` (202). Output is told by pages
/// ([`ExecPage`]).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecReport {
    /// Id chosen by the caller.
    pub exec_id: String,
    /// Where it stands.
    pub state: ExecState,
    /// Exit code, null unless observed.
    pub exit_code: Option<i32>,
    /// Number of the signal that ended it, null unless observed.
    pub signal: Option<i32>,
    /// Bytes that the command wrote, kept or not.
    pub stdout_bytes: u64,
    /// Bytes that the command wrote, kept or not.
    pub stderr_bytes: u64,
    /// Whether anything that it wrote is not kept.
    pub truncated: bool,
    /// Epoch milliseconds.
    pub started_at: u64,
    /// Epoch milliseconds, null while it runs.
    pub completed_at: Option<u64>,
    /// Why it could not be started or was stopped, for people.
    pub error: Option<String>,
}

/// Body of every error of the control API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlError {
    /// Stable code: `unauthorized`, `not_found`, `method_not_allowed`, `invalid_request`, `too_large`, `conflict` (409: the id was used for
    /// another request), those of `config::code`, `busy` (429: too many commands at the same time), `stopping` (503), `not_started` (503: no room for
    /// another process or a note of it, or the disk is not restored yet), `not_ready` (503: nothing can be saved now), `internal` (500: the state
    /// of the command is not known now). After `busy`, `stopping` and
    /// `not_started` the command has certainly not begun.
    pub code: String,
    /// For people; names the field for `invalid_request`.
    pub error: String,
}
