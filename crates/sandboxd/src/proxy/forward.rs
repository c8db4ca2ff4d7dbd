//! One request through the proxy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use molt_common::control::SupervisorPhase;
use molt_common::{path, upload};
use tokio::sync::watch;

use super::activity::Activity;
use super::answer::{Answers, Asked};
use super::headers::{self, PublicAddress};
use super::inject;
use super::problem::{About, Problem};
use super::resume::Resuming;
use super::sessions::{Admitted, Exchange, Sessions};
use super::splice::splice;
use super::user_activity;
use crate::agent::AgentState;
use crate::http_server::Body;
use crate::settings::Settings;
use crate::uploads::{Agent, Uploads};

/// The agent closes an idle connection after 5 s; ours are dropped before, so that no request meets a closing one.
const POOL_IDLE: Duration = Duration::from_secs(3);
const POOL_PER_HOST: usize = 64;

/// The proxy of one sandbox.
pub struct Proxy {
    owner: String,
    fallback: PublicAddress,
    agent_port: u16,
    agent: watch::Receiver<AgentState>,
    activity: Arc<Activity>,
    sessions: Arc<Sessions>,
    answers: Answers,
    uploads: Arc<Uploads>,
    /// What goes into the agent's pages.
    page_tag: &'static str,
    client: Client<HttpConnector, Body>,
    resuming: Arc<Resuming>,
}

impl Proxy {
    /// A proxy to the agent of these settings.
    ///
    /// # Errors
    /// When the disk refuses the uploads that it keeps; when no public origin can be used, which the settings rule out.
    pub fn new(
        settings: &Settings,
        agent: watch::Receiver<AgentState>,
        activity: Arc<Activity>,
        sessions: Arc<Sessions>,
    ) -> io::Result<Arc<Self>> {
        let fallback = settings
            .public_origins
            .iter()
            .find_map(|origin| PublicAddress::of_origin(origin))
            .ok_or_else(|| io::Error::other("no public origin"))?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_PER_HOST)
            // The headers are passed as they are to be seen, the public `Host` among them.
            .set_host(false)
            .build(connector);
        let resuming = Resuming::new(
            settings,
            fallback.clone(),
            agent.clone(),
            Arc::clone(&activity),
            Arc::clone(&sessions),
        );
        let layout = &settings.layout;
        let way = Agent {
            owner: settings.owner.clone(),
            fallback: fallback.clone(),
            port: layout.agent_port,
            state: agent.clone(),
            activity: Arc::clone(&activity),
            client: client.clone(),
        };
        let uploads = Uploads::restore(&layout.state_dir, layout.upload_ttl_ms, way)?;
        Ok(Arc::new(Self {
            resuming,
            owner: settings.owner.clone(),
            fallback,
            agent_port: settings.layout.agent_port,
            agent,
            activity,
            sessions,
            answers: Answers::new(),
            uploads,
            page_tag: inject::tag(settings.socket_resume),
            client,
        }))
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, request: Request<Incoming>) -> Response<Body> {
        let about = About::of(request.method(), request.headers());
        if !headers::is_from(&self.owner, request.headers()) {
            return Problem::WrongUser.response(&about);
        }
        self.admit(request)
            .await
            .unwrap_or_else(|problem| problem.response(&about))
    }

    async fn admit(&self, request: Request<Incoming>) -> Result<Response<Body>, Problem> {
        let socket = headers::is_websocket(request.headers()) && request.method() == Method::GET;
        let exchange = if socket { Exchange::Socket } else { Exchange::Http };
        let stated = headers::session(request.headers()).ok_or(Problem::BadRequest)?;
        let session = self
            .sessions
            .admit(stated.clone(), exchange)
            .map_err(Problem::SessionEnded)?;
        self.activity.request_seen();
        if user_activity::of_request(request.method(), request.headers()) {
            self.activity.person_seen();
        }
        if path::below(request.uri().path(), upload::PATH) {
            // It would take the room that the restore needs.
            if self.agent.borrow().phase == SupervisorPhase::Restore {
                return Err(Problem::AgentNotReady(SupervisorPhase::Restore));
            }
            let open = self.activity.exchange_opened();
            return Ok(self.uploads.handle(request, session, open).await?);
        }
        if socket && Resuming::is_asked(request.headers()) {
            return Arc::clone(&self.resuming).accept(request, stated, session);
        }
        let phase = self.agent.borrow().phase;
        if phase != SupervisorPhase::Ready {
            return Err(Problem::AgentNotReady(phase));
        }
        if socket {
            self.open_socket(request, session).await
        } else {
            self.pass(request, session).await
        }
    }

    async fn pass(&self, request: Request<Incoming>, mut session: Admitted) -> Result<Response<Body>, Problem> {
        let mut open = self.activity.exchange_opened();
        if user_activity::waits_for_events(request.headers()) {
            open = open.listening();
        }
        let (parts, body) = request.into_parts();
        let mut outgoing = self.outgoing(&parts, body.map_err(Into::into).boxed(), false)?;
        let mut asked = self.asked(&parts);
        if inject::asks_for_page(&parts.method, &parts.headers) {
            inject::prepare(outgoing.headers_mut());
            asked.page(self.page_tag, outgoing.headers().get(HOST).cloned());
        }
        let answer = self.ask(outgoing, &mut session).await?;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Nobody asked for another protocol.
            return Err(Problem::AgentBrokeOff);
        }
        self.answers.whole(answer, &asked, session, open).await
    }

    async fn open_socket(
        &self,
        mut request: Request<Incoming>,
        mut session: Admitted,
    ) -> Result<Response<Body>, Problem> {
        let client_side = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        let outgoing = self.outgoing(&parts, empty(), true)?;
        let asked = self.asked(&parts);
        let mut answer = self.ask(outgoing, &mut session).await?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let open = self.activity.exchange_opened();
            return self.answers.whole(answer, &asked, session, open).await;
        }
        let agent_side = hyper::upgrade::on(&mut answer);
        let open = self.activity.socket_opened();
        tokio::spawn(splice(client_side, agent_side, open, session, self.agent.clone()));
        Ok(self.switched(&answer))
    }

    fn asked(&self, parts: &hyper::http::request::Parts) -> Asked {
        Asked::of(
            parts,
            PublicAddress::stated(&parts.headers, &self.fallback),
            self.agent_port,
        )
    }

    /// The answer that opens a socket.
    fn switched(&self, answer: &Response<Incoming>) -> Response<Body> {
        let mut response = Response::new(empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers::to_edge(answer.headers(), &self.fallback.seen(self.agent_port), true);
        response
    }

    /// Asks the agent, for as long as the session lasts.
    async fn ask(&self, outgoing: Request<Body>, session: &mut Admitted) -> Result<Response<Incoming>, Problem> {
        tokio::select! {
            answer = self.client.request(outgoing) => answer.map_err(|error| self.blame(&error)),
            reason = session.ended() => Err(Problem::SessionEnded(reason)),
        }
    }

    fn outgoing(
        &self,
        parts: &hyper::http::request::Parts,
        body: Body,
        websocket: bool,
    ) -> Result<Request<Body>, Problem> {
        // Only path and query count: a target that names another host must not lead there.
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let uri: Uri = format!("http://127.0.0.1:{}{target}", self.agent_port)
            .parse()
            .map_err(|_| Problem::BadRequest)?;
        if parts.method == Method::CONNECT {
            return Err(Problem::BadRequest);
        }
        let mut outgoing = Request::new(body);
        *outgoing.method_mut() = parts.method.clone();
        *outgoing.uri_mut() = uri;
        *outgoing.headers_mut() = headers::to_agent(&parts.headers, &self.owner, &self.fallback, websocket);
        Ok(outgoing)
    }

    fn blame(&self, error: &hyper_util::client::legacy::Error) -> Problem {
        tracing::debug!(%error, "the agent did not answer");
        match self.agent.borrow().phase {
            // It went away since the last look at it.
            SupervisorPhase::Ready if error.is_connect() => Problem::AgentNotReady(SupervisorPhase::Agent),
            phase if error.is_connect() => Problem::AgentNotReady(phase),
            _ => Problem::AgentBrokeOff,
        }
    }
}

fn empty() -> Body {
    Empty::<Bytes>::new().map_err(|never| match never {}).boxed()
}
