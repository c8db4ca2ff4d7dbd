//! The first messages of a resuming connection: who it is, and which session it goes on with.

use std::sync::Arc;
use std::time::Duration;

use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use molt_common::close_code::{PROTOCOL_ERROR, TRY_AGAIN_LATER};
use molt_common::control::SupervisorPhase;
use molt_common::resume::{CLOSE_GONE, FromClient, FromServer, HELLO_WITHIN_MS, SUBPROTOCOL};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::agent_socket::{self, NoSocket, offered};
use super::config;
use super::envelope::{self, Opened};
use super::link::Link;
use super::noticed::Noticed;
use super::session::{Beginning, Session};
use super::table::{Attach, Table};
use crate::agent::AgentState;
use crate::http_server::{Body, whole};
use crate::proxy::activity::Activity;
use crate::proxy::headers::PublicAddress;
use crate::proxy::lost::{self, Closing};
use crate::proxy::problem::Problem;
use crate::proxy::sessions::{Admitted, Ending, Session as UserSession, Sessions};
use crate::settings::Settings;

/// How long a new socket waits for the agent to be ready. It is longer than a restart of the agent usually takes.
const AGENT_PATIENCE: Duration = Duration::from_secs(30);

/// What accepts resuming connections.
pub struct Resuming {
    on: bool,
    owner: String,
    fallback: PublicAddress,
    agent_port: u16,
    state: watch::Receiver<AgentState>,
    activity: Arc<Activity>,
    sessions: Arc<Sessions>,
    table: Arc<Table>,
}

/// Why there is nothing to go on with.
enum NoGo {
    /// The client is gone, or was told.
    Over,
    /// It is to be told.
    Tell(Closing),
}

impl Resuming {
    /// For the agent of these settings, whose state is `state`.
    pub fn new(
        settings: &Settings,
        fallback: PublicAddress,
        state: watch::Receiver<AgentState>,
        activity: Arc<Activity>,
        sessions: Arc<Sessions>,
    ) -> Arc<Self> {
        Arc::new(Self {
            on: settings.socket_resume,
            owner: settings.owner.clone(),
            fallback,
            agent_port: settings.layout.agent_port,
            state,
            activity,
            sessions,
            table: Arc::default(),
        })
    }

    /// Whether a handshake asks for a resuming connection.
    pub fn is_asked(headers: &HeaderMap) -> bool {
        offered(headers).any(|name| name == SUBPROTOCOL)
    }

    /// Accepts one. Whether the agent is ready does not matter yet: a session may go on without.
    pub fn accept<B>(
        self: Arc<Self>,
        mut request: Request<B>,
        session: UserSession,
        admitted: Admitted,
    ) -> Result<Response<Body>, Problem> {
        let headers = request.headers();
        let version = headers.get(header::SEC_WEBSOCKET_VERSION);
        let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or(Problem::BadRequest)?;
        if version.is_none_or(|version| version.as_bytes() != b"13") {
            return Err(Problem::BadRequest);
        }
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| Problem::BadRequest)?;
        let upgrade = hyper::upgrade::on(&mut request);
        let (parts, _) = request.into_parts();
        tokio::spawn(self.greet(upgrade, parts, session, admitted));
        let mut response = Response::new(whole(""));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        Ok(response)
    }

    async fn greet(self: Arc<Self>, upgrade: OnUpgrade, parts: Parts, session: UserSession, admitted: Admitted) {
        let upgraded = match upgrade.await {
            Ok(upgraded) => upgraded,
            Err(error) => {
                tracing::debug!(%error, "a WebSocket ended before it began");
                return;
            }
        };
        let socket =
            WebSocketStream::from_raw_socket(Noticed::new(TokioIo::new(upgraded)), Role::Server, Some(config())).await;
        let mut link = Link::new(socket, self.activity.socket_opened(), admitted);
        let hello = timeout(Duration::from_millis(HELLO_WITHIN_MS), hello(&mut link)).await;
        let Ok(Some((name, received))) = hello else {
            return link.close(PROTOCOL_ERROR, "A socket that goes on begins with hello.");
        };
        if !self.on {
            return gone(link, "Sockets do not resume here.", true);
        }
        match name {
            Some(name) => {
                let attach = Attach {
                    link,
                    session,
                    received,
                };
                if let Err(refused) = self.table.attach(&name, attach).await {
                    gone(refused.link, "This socket is no longer kept. Open a new one.", false);
                }
            }
            None if received > 0 => link.close(PROTOCOL_ERROR, "A new socket has received nothing."),
            None => self.begin(link, &parts, session).await,
        }
    }

    async fn begin(self: Arc<Self>, mut link: Link, parts: &Parts, session: UserSession) {
        let opened = tokio::select! {
            opened = self.open(parts) => opened,
            reason = left(&mut link) => Err(reason),
        };
        let closing = match opened {
            Ok(begun) => {
                let first = Attach {
                    link,
                    session,
                    received: 0,
                };
                return Session::run(begun, first).await;
            }
            Err(NoGo::Over) => return,
            Err(NoGo::Tell(closing)) => closing,
        };
        link.say(&FromServer::Close {
            code: closing.code,
            reason: closing.reason.clone(),
            retry_after_ms: closing.retry_after_ms(),
        });
        link.close(closing.code, &closing.reason);
    }

    async fn open(&self, parts: &Parts) -> Result<Beginning, NoGo> {
        let mut state = self.state.clone();
        let ready = state.wait_for(|state| state.phase == SupervisorPhase::Ready);
        if !matches!(timeout(AGENT_PATIENCE, ready).await, Ok(Ok(_))) {
            let reason = "The agent is not ready yet. Connect again in a moment.";
            return Err(NoGo::Tell(Closing::new(TRY_AGAIN_LATER, reason.to_owned())));
        }
        let seat = self
            .table
            .seat()
            .ok_or_else(|| NoGo::Tell(Closing::new(TRY_AGAIN_LATER, "Too many sockets are open.".to_owned())))?;
        match agent_socket::open(parts, &self.owner, &self.fallback, self.agent_port).await {
            Ok((agent, protocol)) => Ok(Beginning {
                seat,
                agent,
                protocol,
                state: self.state.clone(),
                sessions: Arc::clone(&self.sessions),
            }),
            Err(NoSocket::Refused(closing)) => Err(NoGo::Tell(closing)),
            Err(NoSocket::Lost(error)) => {
                tracing::debug!(%error, "the agent opened no socket");
                Err(NoGo::Tell(lost::why(self.state.clone()).await))
            }
        }
    }
}

/// Name and count of the client's hello.
async fn hello(link: &mut Link) -> Option<(Option<String>, u64)> {
    loop {
        match envelope::open(link.read().await.ok()?) {
            Ok(Opened::Control(FromClient::Hello { session, received })) => return Some((session, received)),
            Ok(Opened::Frame) => {}
            _ => return None,
        }
    }
}

/// Waits until the client, which has nothing to say before it is welcome, is no longer there, or may no longer be.
async fn left(link: &mut Link) -> NoGo {
    loop {
        let read = std::future::poll_fn(|context| {
            if let std::task::Poll::Ready(ending) = link.admitted.poll_closing(context) {
                return std::task::Poll::Ready(Err(ending));
            }
            link.poll_read(context).map(Ok)
        });
        match read.await {
            Err(Ending::Platform { code, reason }) => return NoGo::Tell(Closing::new(code, reason)),
            Err(ending) => return NoGo::Tell(Closing::new(ending.close_code(), ending.reason().to_owned())),
            Ok(Err(_)) => return NoGo::Over,
            Ok(Ok(message)) => match envelope::open(message) {
                Ok(Opened::Frame) => {}
                Ok(Opened::Control(FromClient::Close { .. })) => return NoGo::Over,
                _ => {
                    let reason = "Nothing may be sent before the welcome.";
                    return NoGo::Tell(Closing::new(PROTOCOL_ERROR, reason.to_owned()));
                }
            },
        }
    }
}

fn gone(mut link: Link, reason: &str, plain: bool) {
    link.say(&FromServer::Gone {
        reason: reason.to_owned(),
        plain,
    });
    link.close(CLOSE_GONE, reason);
}
