//! Answers of the proxy itself: problem JSON (RFC 9457), or a page for a browser that navigates.

use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode, header};
use molt_common::control::header::{NOT_READY, NOT_READY_BROKE_OFF, NOT_READY_STARTING, REQUEST_ID};
use molt_common::control::{SessionEnd, SupervisorPhase};
use molt_common::{access, problem};

use crate::http_server::{Body, whole};

/// Style of the platform's own pages, which the edge serves at the same origin.
const STYLE: &str = "/_molt/assets/page.css";
/// Nothing but that.
const PAGE_POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Why the proxy answers itself.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// About something of the supervisor's own.
    Other(Box<problem::Problem>),
}

impl From<problem::Problem> for Problem {
    fn from(problem: problem::Problem) -> Self {
        Self::Other(Box::new(problem))
    }
}

/// What of the request its answer depends on.
#[derive(Clone, Debug, Default)]
pub struct About {
    request_id: Option<String>,
    wants_page: bool,
}

impl About {
    /// Of this request.
    pub fn of(method: &Method, headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        Self {
            request_id: text(REQUEST_ID).map(str::to_owned),
            wants_page: access::wants_page(method.as_str(), text("accept"), headers.contains_key(header::UPGRADE)),
        }
    }
}

impl Problem {
    fn document(&self) -> problem::Problem {
        match self {
            Self::WrongUser => problem::Problem::new(403, "wrong_user", "This sandbox belongs to somebody else."),
            Self::AgentNotReady(phase) => problem::Problem::new(503, "agent_not_ready", "The agent is not ready yet.")
                .retry_after(1)
                .phase(word(*phase)),
            Self::AgentBrokeOff => problem::Problem::new(
                502,
                "agent_broke_off",
                "The agent closed the connection without an answer.",
            ),
            Self::BadRequest => problem::Problem::new(400, "bad_request", "This request cannot be passed on."),
            Self::SessionEnded(end) => (*end).into(),
            Self::Other(problem) => (**problem).clone(),
        }
    }

    /// The whole answer to a request.
    pub fn response(self, about: &About) -> Response<Body> {
        let mut document = self.document();
        document.request_id.clone_from(&about.request_id);
        let (kind, policy, body) = if about.wants_page {
            ("text/html; charset=utf-8", PAGE_POLICY, page(&document))
        } else {
            (
                problem::CONTENT_TYPE,
                "default-src 'none'; frame-ancestors 'none'",
                document.json(),
            )
        };
        let mut response = Response::new(whole(body));
        *response.status_mut() = StatusCode::from_u16(document.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Some(seconds) = document.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        match self {
            Self::AgentNotReady(_) => headers.insert(NOT_READY, HeaderValue::from_static(NOT_READY_STARTING)),
            Self::AgentBrokeOff => headers.insert(NOT_READY, HeaderValue::from_static(NOT_READY_BROKE_OFF)),
            Self::WrongUser | Self::BadRequest | Self::SessionEnded(_) | Self::Other(_) => None,
        };
        response
    }
}

const fn word(phase: SupervisorPhase) -> &'static str {
    match phase {
        SupervisorPhase::Restore => "restore",
        SupervisorPhase::Configure => "configure",
        SupervisorPhase::Agent => "agent",
        SupervisorPhase::Ready => "ready",
        SupervisorPhase::Failed => "failed",
        SupervisorPhase::Stopping => "stopping",
    }
}

fn page(problem: &problem::Problem) -> String {
    let escape = |text: &str| {
        text.replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
    };
    let (title, detail) = (escape(&problem.title), escape(&problem.detail));
    let request = problem.request_id.as_deref().map_or_else(String::new, |id| {
        format!("<p class=\"small\">Request {}</p>", escape(id))
    });
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} · Moltworker</title><link rel=\"stylesheet\" href=\"{STYLE}\"></head>\
         <body><main><h1>{title}</h1><p>{detail}</p><p><a href=\"\">Try again</a></p>{request}</main></body></html>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn asked(accept: &'static str) -> About {
        let mut headers = HeaderMap::new();
        headers.insert("accept", HeaderValue::from_static(accept));
        headers.insert(REQUEST_ID, HeaderValue::from_static("req_<1>"));
        About::of(&Method::GET, &headers)
    }

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_program_gets_a_problem_and_a_browser_a_page() {
        let problem = Problem::AgentBrokeOff.response(&asked("*/*"));
        assert_eq!(
            (problem.status().as_u16(), problem.headers()[NOT_READY].as_bytes()),
            (502, NOT_READY_BROKE_OFF.as_bytes())
        );
        assert_eq!(problem.headers()[CONTENT_TYPE], problem::CONTENT_TYPE);
        let json: serde_json::Value = serde_json::from_str(&text(problem).await).unwrap();
        assert_eq!(
            (json["code"].as_str(), json["requestId"].as_str()),
            (Some("agent_broke_off"), Some("req_<1>"))
        );
        let page = Problem::AgentBrokeOff.response(&asked("text/html,*/*"));
        assert_eq!(page.status(), StatusCode::BAD_GATEWAY);
        let html = text(page).await;
        assert!(
            html.contains("closed the connection") && html.contains("req_&lt;1&gt;") && !html.contains("<script"),
            "{html}"
        );
    }
}
