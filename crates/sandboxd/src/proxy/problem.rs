//! Answers of the proxy itself, as `application/problem+json` (RFC 9457).

use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use molt_common::control::header::{NOT_READY, NOT_READY_BROKE_OFF, NOT_READY_STARTING};
use molt_common::control::{SessionEnd, SupervisorPhase};
use serde::Serialize;

use crate::http_server::{Body, whole};

/// Why the proxy answers itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request does not come from the owner.
    WrongUser,
    /// The agent admits no traffic.
    AgentNotReady(SupervisorPhase),
    /// The agent broke the exchange.
    AgentBrokeOff,
    /// Not a request that a proxy can pass on.
    BadRequest,
    /// Its session has ended.
    SessionEnded(SessionEnd),
}

#[derive(Serialize)]
struct Document {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    error: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<SupervisorPhase>,
}

impl Problem {
    const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::WrongUser => (
                StatusCode::FORBIDDEN,
                "wrong_user",
                "This sandbox belongs to somebody else.",
            ),
            Self::AgentNotReady(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "agent_not_ready",
                "The agent is not ready yet.",
            ),
            Self::AgentBrokeOff => (
                StatusCode::BAD_GATEWAY,
                "agent_broke_off",
                "The agent closed the connection without an answer.",
            ),
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                "bad_request",
                "This request cannot be passed on.",
            ),
            Self::SessionEnded(SessionEnd::Suspended) => {
                (StatusCode::FORBIDDEN, "user_suspended", "This account is suspended.")
            }
            Self::SessionEnded(_) => (
                StatusCode::UNAUTHORIZED,
                "session_ended",
                "This session has ended. Sign in again.",
            ),
        }
    }

    /// The whole answer.
    pub fn response(self) -> Response<Body> {
        let (status, code, title) = self.parts();
        let phase = match self {
            Self::AgentNotReady(phase) => Some(phase),
            _ => None,
        };
        let document = Document {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            code,
            error: title,
            phase,
        };
        let mut response = Response::new(whole(serde_json::to_vec(&document).unwrap_or_default()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if phase.is_some() {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        match self {
            Self::AgentNotReady(_) => headers.insert(NOT_READY, HeaderValue::from_static(NOT_READY_STARTING)),
            Self::AgentBrokeOff => headers.insert(NOT_READY, HeaderValue::from_static(NOT_READY_BROKE_OFF)),
            Self::WrongUser | Self::BadRequest | Self::SessionEnded(_) => None,
        };
        response
    }
}
