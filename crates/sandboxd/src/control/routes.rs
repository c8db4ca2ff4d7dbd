//! Which request means what.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use molt_common::control::config::{ConfigEdit, HandOver};
use molt_common::control::files;
use molt_common::control::provider::HandProviders;
use molt_common::control::{
    AgentRestart, EndSessions, ExecStart, RestartAgent, SessionsEnded, SupervisorPhase, SupervisorStatus,
};
use molt_common::trust::SessionRef;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;

use super::auth::TokenCheck;
use super::disk::DiskRoute;
use super::respond::{self, Refusal};
use super::{body, query};
use crate::agent::{AgentState, AgentWork, Configuration, Disk, HandedProviders, RestartRefusal, Restarts, Supervisor};
use crate::clock::now_ms;
use crate::exec::{Executor, StartRefusal};
use crate::files::{FileError, Files};
use crate::http_server::Body;
use crate::persistence::Persistence;
use crate::proxy::{Activity, Sessions};
use crate::settings::Settings;

/// The control API of one sandbox.
pub struct Control {
    settings: Settings,
    token: TokenCheck,
    parts: Parts,
    files: Files,
}

/// What it is an interface to.
pub struct Parts {
    /// The agent as it is.
    pub agent: watch::Receiver<AgentState>,
    /// What goes on through the proxy.
    pub activity: Arc<Activity>,
    /// Sessions of the user.
    pub sessions: Arc<Sessions>,
    /// Commands.
    pub executor: Arc<Executor>,
    /// Restarts of the agent that are asked for.
    pub restarts: Arc<Restarts>,
    /// The agent's own work.
    pub work: Arc<AgentWork>,
    /// The disk, where it is kept.
    pub persistence: Option<Arc<Persistence>>,
    /// The agent's configuration.
    pub configuration: Arc<Configuration>,
    /// What the agent is given besides.
    pub providers: Arc<HandedProviders>,
}

/// Paths of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route<'a> {
    Health,
    Status,
    Commands,
    Command(&'a str),
    Output(&'a str),
    EndSessions,
    RestartAgent,
    Files,
    FileBatch,
    Disk(DiskRoute<'a>),
    Config,
    ConfigHanded,
    ProvidersHanded,
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/v1/status" => Some(Self::Status),
            "/v1/exec" => Some(Self::Commands),
            "/v1/sessions/end" => Some(Self::EndSessions),
            "/v1/agent/restart" => Some(Self::RestartAgent),
            files::PATH => Some(Self::Files),
            files::BATCH_PATH => Some(Self::FileBatch),
            _ if let Some(route) = DiskRoute::of(path) => Some(Self::Disk(route)),
            "/v1/config" => Some(Self::Config),
            "/v1/config/handed" => Some(Self::ConfigHanded),
            "/v1/providers/handed" => Some(Self::ProvidersHanded),
            _ => match path.strip_prefix("/v1/exec/") {
                Some(rest) => match rest.split_once('/') {
                    None if !rest.is_empty() => Some(Self::Command(rest)),
                    Some((id, "output")) if !id.is_empty() => Some(Self::Output(id)),
                    _ => None,
                },
                None => None,
            },
        }
    }
}

impl Control {
    /// The API over these parts.
    pub fn new(settings: Settings, parts: Parts) -> Arc<Self> {
        let token = TokenCheck::new(settings.control_token.expose());
        let files = Files::new(&settings, parts.agent.clone(), Arc::clone(&parts.activity));
        Arc::new(Self {
            settings,
            token,
            parts,
            files,
        })
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        self.answer(request).await.unwrap_or_else(|refusal| refusal.response())
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, Refusal> {
        let (parts, incoming) = request.into_parts();
        let route = Route::of(parts.uri.path());
        if route != Some(Route::Health) && !self.token.admits(&parts.headers) {
            return Err(Refusal::Unauthorized);
        }
        if matches!(route, Some(Route::Files | Route::FileBatch)) && self.check_disk().is_err() {
            return Err(FileError::NotReady("its disk does not hold yet what it should").into());
        }
        match (route, parts.method.clone()) {
            (None, _) => Err(Refusal::NotFound),
            (Some(Route::Health), Method::GET | Method::HEAD) => {
                Ok(respond::json(StatusCode::OK, &json!({ "ok": true })))
            }
            (Some(Route::Status), Method::GET) => Ok(respond::json(StatusCode::OK, &self.status().await)),
            (Some(Route::EndSessions), Method::POST) => Ok(respond::json(
                StatusCode::OK,
                &self.end_sessions(&document(incoming).await?)?,
            )),
            (Some(Route::RestartAgent), Method::POST) => {
                let wanted: RestartAgent = document(incoming).await?;
                Ok(respond::json(StatusCode::ACCEPTED, &self.restart_agent(&wanted)?))
            }
            (Some(Route::Config), Method::GET) => {
                Ok(respond::json(StatusCode::OK, &self.parts.configuration.now().await?))
            }
            (Some(Route::Config), Method::PUT) => {
                let edit: ConfigEdit = document(incoming).await?;
                self.check_disk()?;
                let edited = self.parts.configuration.edit(&edit, &self.parts.agent).await?;
                Ok(respond::json(StatusCode::OK, &edited))
            }
            (Some(Route::ConfigHanded), Method::PUT) => {
                let order: HandOver = document(incoming).await?;
                Ok(respond::json(
                    StatusCode::OK,
                    &self.parts.configuration.hand_over(order)?,
                ))
            }
            (Some(Route::ProvidersHanded), Method::PUT) => {
                // The parser's words could repeat a secret, and would be logged where they are read.
                let order = serde_json::from_slice::<HandProviders>(&body::read(incoming).await?);
                let order = order.map_err(|_| Refusal::Invalid("body: is no such order".into()))?;
                Ok(respond::json(StatusCode::OK, &self.parts.providers.hand(order)?))
            }
            (Some(Route::Commands), Method::POST) => {
                let start: ExecStart = document(incoming).await?;
                self.check_disk()?;
                Ok(respond::json(
                    StatusCode::ACCEPTED,
                    &self.parts.executor.start(start).await?,
                ))
            }
            (Some(Route::Command(id)), Method::GET) => {
                let wait = query::wait(parts.uri.query()).map_err(Refusal::Invalid)?;
                known(StatusCode::OK, self.parts.executor.get(id, wait).await?)
            }
            (Some(Route::Output(id)), Method::GET) => {
                let query = query::output(parts.uri.query()).map_err(Refusal::Invalid)?;
                known(StatusCode::OK, self.parts.executor.output(id, query).await?)
            }
            (Some(Route::Command(id)), Method::DELETE) => {
                known(StatusCode::ACCEPTED, self.parts.executor.cancel(id).await?)
            }
            (Some(Route::Disk(route)), method) => {
                let persistence = self.parts.persistence.as_ref().ok_or(Refusal::NotFound)?;
                route.answer(persistence, &method, incoming).await
            }
            (Some(Route::FileBatch), Method::POST) => Ok(self.files.batch(document(incoming).await?).await?),
            (Some(Route::Files), _) => Ok(self.files.answer(&parts, incoming).await?),
            (Some(Route::Health), _) => Err(Refusal::MethodNotAllowed("GET, HEAD")),
            (Some(Route::Status | Route::Output(_)), _) => Err(Refusal::MethodNotAllowed("GET")),
            (Some(Route::Commands | Route::EndSessions | Route::RestartAgent | Route::FileBatch), _) => {
                Err(Refusal::MethodNotAllowed("POST"))
            }
            (Some(Route::Config), _) => Err(Refusal::MethodNotAllowed("GET, PUT")),
            (Some(Route::ConfigHanded | Route::ProvidersHanded), _) => Err(Refusal::MethodNotAllowed("PUT")),
            (Some(Route::Command(_)), _) => Err(Refusal::MethodNotAllowed("GET, DELETE")),
        }
    }

    /// Nothing may write into the home before it holds what it should: a restore expects it empty, and would cover what was written.
    fn check_disk(&self) -> Result<(), StartRefusal> {
        match &self.parts.persistence {
            Some(persistence) if *persistence.disk().borrow() != Disk::Ready => Err(StartRefusal::NoDisk),
            _ => Ok(()),
        }
    }

    fn end_sessions(&self, wanted: &EndSessions) -> Result<SessionsEnded, Refusal> {
        let session = match wanted.session.as_deref() {
            Some(text) => Some(SessionRef::parse(text).ok_or_else(|| Refusal::Invalid("session: names none".into()))?),
            None => None,
        };
        let sockets = self.parts.sessions.end(session.as_ref(), wanted.reason);
        tracing::info!(reason = ?wanted.reason, all = session.is_none(), sockets, "sessions end");
        Ok(SessionsEnded { sockets })
    }

    fn restart_agent(&self, wanted: &RestartAgent) -> Result<AgentRestart, Refusal> {
        let agent = self.parts.agent.borrow();
        if agent.phase == SupervisorPhase::Stopping {
            return Err(RestartRefusal::Stopping.into());
        }
        Ok(self.parts.restarts.ask(&wanted.id, agent.pid)?)
    }

    /// What is going on now, in the words of the contract.
    fn busy(&self, agent_works: bool) -> Vec<String> {
        let busy = [
            ("command", self.parts.executor.running() > 0),
            ("agent", agent_works),
            ("exchange", self.parts.activity.busy_exchanges() > 0),
        ];
        busy.into_iter()
            .filter(|(_, busy)| *busy)
            .map(|(word, _)| word.to_owned())
            .collect()
    }

    async fn status(&self) -> SupervisorStatus {
        let agent = self.parts.agent.borrow().clone();
        let work = self.parts.work.now(&agent);
        // In this order: what ends in between was active at least until now.
        let busy = self.busy(work.busy);
        let last_active_at = self.parts.activity.told_active(&[
            self.parts.activity.last_person_at(),
            self.parts.executor.last_active_at(),
            work.last_active_at,
        ]);
        let log_tail = Supervisor::log_tail(&self.settings, &agent).await;
        SupervisorStatus {
            boot_id: self.settings.boot_id.clone(),
            generation: self.settings.generation,
            phase: agent.phase,
            cause: agent.cause,
            agent: self.settings.agent.name().to_owned(),
            agent_pid: agent.pid,
            agent_restarts: agent.restarts,
            open_sockets: self.parts.activity.open_sockets(),
            last_request_at: self.parts.activity.last_request_at(),
            last_client_frame_at: self.parts.activity.last_client_frame_at(),
            running_commands: self.parts.executor.running(),
            last_active_at,
            busy,
            next_wake_at: work.next_wake_at,
            restart: self.parts.restarts.newest(),
            snapshots: self
                .parts
                .persistence
                .as_ref()
                .map(|persistence| Box::new(persistence.tell_brief_status())),
            config: Some(Box::new(self.parts.configuration.status())),
            providers: Some(Box::new(self.parts.providers.view())),
            log_tail,
            now: now_ms(),
        }
    }
}

/// The JSON body of a request.
pub(super) async fn document<T: DeserializeOwned>(incoming: Incoming) -> Result<T, Refusal> {
    let bytes = body::read(incoming).await?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::Invalid(format!("body: {error}")))
}

pub(super) fn known(status: StatusCode, report: Option<impl Serialize>) -> Result<Response<Body>, Refusal> {
    report
        .map(|report| respond::json(status, &report))
        .ok_or(Refusal::NotFound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_one_thing_or_nothing() {
        assert_eq!(Route::of("/healthz"), Some(Route::Health));
        assert_eq!(Route::of("/v1/exec"), Some(Route::Commands));
        assert_eq!(Route::of("/v1/files"), Some(Route::Files));
        assert_eq!(Route::of("/v1/files/batch"), Some(Route::FileBatch));
        assert_eq!(Route::of("/v1/sessions/end"), Some(Route::EndSessions));
        assert_eq!(Route::of("/v1/exec/a-1"), Some(Route::Command("a-1")));
        assert_eq!(Route::of("/v1/exec/a-1/output"), Some(Route::Output("a-1")));
        assert_eq!(Route::of("/v1/save/a-1"), Some(Route::Disk(DiskRoute::Save("a-1"))));
        assert_eq!(Route::of("/v1/upkeep"), Some(Route::Disk(DiskRoute::AskUpkeep)));
        for path in [
            "/v1/save/",
            "/v1/save/a/b",
            "/v1/begin/",
            "/",
            "/v1",
            "/v1/exec/",
            "/v1/exec/a/b",
            "/v1/exec//output",
            "/v1/exec/a/output/",
            "/v1/exec/../status",
            "/v1/status/",
            "//v1/status",
            "/healthz/x",
            "/v1/files/",
            "/v1/files/x",
            "/v1/sessions",
            "/v1/sessions/end/x",
        ] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
