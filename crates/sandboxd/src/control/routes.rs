//! Which request means what.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use molt_common::control::{
    AgentRestart, EndSessions, ExecStart, RestartAgent, SessionsEnded, SupervisorPhase, SupervisorStatus,
};
use molt_common::trust::SessionRef;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::sync::watch;

use super::auth::TokenCheck;
use super::respond::{self, Refusal};
use super::{body, query};
use crate::agent::{AgentState, AgentWork, RestartRefusal, Restarts, Supervisor};
use crate::clock::now_ms;
use crate::exec::Executor;
use crate::http_server::Body;
use crate::proxy::{Activity, Sessions};
use crate::settings::Settings;

/// The control API of one sandbox.
pub struct Control {
    settings: Settings,
    token: TokenCheck,
    agent: watch::Receiver<AgentState>,
    activity: Arc<Activity>,
    sessions: Arc<Sessions>,
    executor: Arc<Executor>,
    restarts: Arc<Restarts>,
    work: Arc<AgentWork>,
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
}

impl<'a> Route<'a> {
    fn of(path: &'a str) -> Option<Self> {
        match path {
            "/healthz" => Some(Self::Health),
            "/v1/status" => Some(Self::Status),
            "/v1/exec" => Some(Self::Commands),
            "/v1/sessions/end" => Some(Self::EndSessions),
            "/v1/agent/restart" => Some(Self::RestartAgent),
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
    pub fn new(
        settings: Settings,
        agent: watch::Receiver<AgentState>,
        activity: Arc<Activity>,
        sessions: Arc<Sessions>,
        executor: Arc<Executor>,
        restarts: Arc<Restarts>,
        work: Arc<AgentWork>,
    ) -> Arc<Self> {
        let token = TokenCheck::new(settings.control_token.expose());
        Arc::new(Self {
            settings,
            token,
            agent,
            activity,
            sessions,
            executor,
            restarts,
            work,
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
        match (route, parts.method) {
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
            (Some(Route::Commands), Method::POST) => {
                let start: ExecStart = document(incoming).await?;
                Ok(respond::json(StatusCode::ACCEPTED, &self.executor.start(start).await?))
            }
            (Some(Route::Command(id)), Method::GET) => {
                let wait = query::wait(parts.uri.query()).map_err(Refusal::Invalid)?;
                known(StatusCode::OK, self.executor.get(id, wait).await?)
            }
            (Some(Route::Output(id)), Method::GET) => {
                let query = query::output(parts.uri.query()).map_err(Refusal::Invalid)?;
                known(StatusCode::OK, self.executor.output(id, query).await?)
            }
            (Some(Route::Command(id)), Method::DELETE) => known(StatusCode::ACCEPTED, self.executor.cancel(id).await?),
            (Some(Route::Health), _) => Err(Refusal::MethodNotAllowed("GET, HEAD")),
            (Some(Route::Status | Route::Output(_)), _) => Err(Refusal::MethodNotAllowed("GET")),
            (Some(Route::Commands | Route::EndSessions | Route::RestartAgent), _) => {
                Err(Refusal::MethodNotAllowed("POST"))
            }
            (Some(Route::Command(_)), _) => Err(Refusal::MethodNotAllowed("GET, DELETE")),
        }
    }

    fn end_sessions(&self, wanted: &EndSessions) -> Result<SessionsEnded, Refusal> {
        let session = match wanted.session.as_deref() {
            Some(text) => Some(SessionRef::parse(text).ok_or_else(|| Refusal::Invalid("session: names none".into()))?),
            None => None,
        };
        let sockets = self.sessions.end(session.as_ref(), wanted.reason);
        tracing::info!(reason = ?wanted.reason, all = session.is_none(), sockets, "sessions end");
        Ok(SessionsEnded { sockets })
    }

    fn restart_agent(&self, wanted: &RestartAgent) -> Result<AgentRestart, Refusal> {
        let agent = self.agent.borrow();
        if agent.phase == SupervisorPhase::Stopping {
            return Err(RestartRefusal::Stopping.into());
        }
        Ok(self.restarts.ask(&wanted.id, agent.pid)?)
    }

    /// What is going on now, in the words of the contract.
    fn busy(&self, agent_works: bool) -> Vec<String> {
        let busy = [
            ("command", self.executor.running() > 0),
            ("agent", agent_works),
            ("exchange", self.activity.busy_exchanges() > 0),
        ];
        busy.into_iter()
            .filter(|(_, busy)| *busy)
            .map(|(word, _)| word.to_owned())
            .collect()
    }

    async fn status(&self) -> SupervisorStatus {
        let agent = self.agent.borrow().clone();
        let work = self.work.now(&agent);
        // In this order: what ends in between was active at least until now.
        let busy = self.busy(work.busy);
        let last_active_at = self.activity.told_active(&[
            self.activity.last_person_at(),
            self.executor.last_active_at(),
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
            open_sockets: self.activity.open_sockets(),
            last_request_at: self.activity.last_request_at(),
            last_client_frame_at: self.activity.last_client_frame_at(),
            running_commands: self.executor.running(),
            last_active_at,
            busy,
            next_wake_at: work.next_wake_at,
            restart: self.restarts.newest(),
            log_tail,
            now: now_ms(),
        }
    }
}

/// The JSON body of a request.
async fn document<T: DeserializeOwned>(incoming: Incoming) -> Result<T, Refusal> {
    let bytes = body::read(incoming).await?;
    serde_json::from_slice(&bytes).map_err(|error| Refusal::Invalid(format!("body: {error}")))
}

fn known(status: StatusCode, report: Option<impl Serialize>) -> Result<Response<Body>, Refusal> {
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
        assert_eq!(Route::of("/v1/sessions/end"), Some(Route::EndSessions));
        assert_eq!(Route::of("/v1/exec/a-1"), Some(Route::Command("a-1")));
        assert_eq!(Route::of("/v1/exec/a-1/output"), Some(Route::Output("a-1")));
        for path in [
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
            "/v1/sessions",
            "/v1/sessions/end/x",
        ] {
            assert_eq!(Route::of(path), None, "{path}");
        }
    }
}
