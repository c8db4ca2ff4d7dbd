//! The HTTP side of the echo agent.

use std::convert::Infallible;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::own_work::OwnWork;
use super::probes::Probes;
use super::socket;
use crate::agent::USER_HEADER;
use crate::http_server::{Body, whole};

/// What it knows: when it stops "starting", and what it does by itself.
pub struct Echo {
    ready_at: Instant,
    work: OwnWork,
    probes: Probes,
}

impl Echo {
    /// Ready from `ready_at` on.
    pub fn new(ready_at: Instant, work: OwnWork) -> Self {
        Self {
            ready_at,
            work,
            probes: Probes::default(),
        }
    }

    /// Answers one request.
    pub async fn handle(self: Arc<Self>, mut request: Request<Incoming>) -> Response<Body> {
        if let Some(answer) = socket::upgrade(&mut request) {
            return answer;
        }
        let ready = Instant::now() >= self.ready_at;
        let method = request.method().clone();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let number = |name: &str, default: u64| {
            parameter(&query, name)
                .and_then(|value| value.parse().ok())
                .unwrap_or(default)
        };
        match (request.uri().path(), method) {
            ("/healthz", _) => status(StatusCode::OK, "live"),
            ("/startupz", _) if ready => status(StatusCode::OK, "started"),
            ("/readyz", _) if ready => status(StatusCode::OK, "ready"),
            ("/startupz" | "/readyz", _) => status(StatusCode::SERVICE_UNAVAILABLE, "starting"),
            ("/", Method::GET | Method::HEAD) => {
                under_policy(typed(page(request.headers()), "text/html; charset=utf-8"))
            }
            ("/echo", _) => echo(request).await,
            ("/echo-body", Method::POST) => Response::new(request.into_body().map_err(Into::into).boxed()),
            ("/stream", Method::GET) => chunks(number("n", 5), Duration::from_millis(number("ms", 0))),
            ("/set-cookie", Method::GET) => set_cookie(&query),
            ("/headers", Method::GET) => headers(&query),
            ("/work", Method::POST) => {
                self.take(request, |work, order| work.begin(order["ms"].as_u64()?))
                    .await
            }
            ("/schedule", Method::POST) => {
                self.take(request, |work, order| {
                    let at = order.get("at").filter(|at| at.is_null() || at.is_u64())?;
                    work.schedule(at.as_u64()).ok()
                })
                .await
            }
            ("/agent-work", Method::GET) => typed(self.work.told().to_string(), "application/json"),
            ("/spawn", Method::POST) => spawn(number("seconds", 60)),
            ("/crash", Method::POST) => {
                tracing::error!("asked to crash");
                std::process::exit(i32::try_from(number("code", 1)).unwrap_or(1))
            }
            _ => match self.probes.answer(request).await {
                Some(answer) => answer,
                None => status(StatusCode::NOT_FOUND, "not found"),
            },
        }
    }
}

impl Echo {
    /// Takes an order in JSON, and says what that has changed.
    async fn take(
        &self,
        request: Request<Incoming>,
        take: impl FnOnce(&OwnWork, &serde_json::Value) -> Option<()>,
    ) -> Response<Body> {
        let body = request
            .into_body()
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        let order = serde_json::from_slice(&body).unwrap_or_default();
        match take(&self.work, &order) {
            Some(()) => typed(self.work.told().to_string(), "application/json"),
            None => status(StatusCode::BAD_REQUEST, "not an order"),
        }
    }
}

pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

pub(super) fn typed(text: impl Into<Bytes>, kind: &'static str) -> Response<Body> {
    let mut response = Response::new(whole(text));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Nothing inline and nothing foreign, a little stricter than the agent's own.
fn under_policy(mut page: Response<Body>) -> Response<Body> {
    let policy =
        HeaderValue::from_static("default-src 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'");
    page.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    page
}

fn status(status: StatusCode, word: &str) -> Response<Body> {
    let mut response = typed(json!({ "status": word }).to_string(), "application/json");
    *response.status_mut() = status;
    response
}

/// The page names whom the platform said the user is.
fn page(headers: &HeaderMap) -> String {
    let user = headers.get(USER_HEADER).map_or_else(
        || "nobody".to_owned(),
        |user| String::from_utf8_lossy(user.as_bytes()).into_owned(),
    );
    let host =
        nix::unistd::gethostname().map_or_else(|_| "unknown".to_owned(), |name| name.to_string_lossy().into_owned());
    let (user, host) = (escape(&user), escape(&host));
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Echo agent</title></head>\
         <body><h1>Echo agent</h1><p>User <b id=\"user\">{user}</b>, sandbox <b id=\"host\">{host}</b></p></body></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

async fn echo(request: Request<Incoming>) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let mut bytes = 0_u64;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
    }
    let headers: Vec<[String; 2]> = parts
        .headers
        .iter()
        .map(|(name, value)| [name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()])
        .collect();
    let answer = json!({ "method": parts.method.as_str(), "path": parts.uri.to_string(), "headers": headers, "bodyBytes": bytes });
    typed(answer.to_string(), "application/json")
}

fn chunks(count: u64, apart: Duration) -> Response<Body> {
    let pieces = stream::unfold(0, move |index| async move {
        if index == count {
            return None;
        }
        if index > 0 {
            tokio::time::sleep(apart).await;
        }
        let piece = Frame::data(Bytes::from(format!("chunk {index}\n")));
        Some((Ok::<_, Infallible>(piece), index + 1))
    });
    let mut response = Response::new(StreamBody::new(pieces).map_err(|never| match never {}).boxed());
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Starts a process that outlives its parent unless somebody ends it.
fn spawn(seconds: u64) -> Response<Body> {
    let started = tokio::process::Command::new("setsid")
        .args(["sleep", &seconds.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(_) => status(StatusCode::OK, "started"),
        Err(error) => {
            tracing::error!(%error, "cannot start a process");
            status(StatusCode::INTERNAL_SERVER_ERROR, "not started")
        }
    }
}

/// Answers with the headers that the query names, `name=value`, values as they stand there.
fn headers(query: &str) -> Response<Body> {
    let mut response = typed("headers", "text/plain");
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

fn set_cookie(query: &str) -> Response<Body> {
    let mut response = typed("set", "text/plain");
    let cookie = format!("{}=1; Path=/", parameter(query, "name").unwrap_or("echo"));
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
