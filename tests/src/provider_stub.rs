//! A provider of models on loopback: both protocols over real HTTP, whole answers and streams of tokens with the time each was sent at, bodies of any
//! size, errors, and connections that break. It remembers what it was sent.
//!
//! The model that is asked for says how it answers: `plain`, `paced-<tokens>-<ms>`, `big-<bytes>`, `status-<code>`, `broken-<bytes>` (fewer than it
//! states), `torn` (a stream that breaks off), `redirect`, `echo` (an error that quotes the key), `slow-<ms>` (plain, after a while).

use crate::provider_words::{Speaks, document, end, first, token};
use crate::secrets::used;
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::NamedTempFile;
use tokio::net::TcpListener;
use uuid::Uuid;

/// Tokens that its answers state: asked, answered.
pub const TOKENS: (u64, u64) = (21, 13);
/// Bytes of an event of a big stream.
const EVENT: usize = 16 * 1024;

type Body = BoxBody<Bytes, io::Error>;

/// A request that it was sent.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Names and values.
    pub headers: HeaderMap,
    /// Bytes of the body.
    pub length: u64,
    /// The body, where it is JSON.
    pub body: Value,
}

impl Seen {
    /// A header's value.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    /// `user` of each stream that somebody still reads.
    open: Mutex<Vec<String>>,
}

/// A provider that runs until the process ends.
pub struct ProviderStub {
    url: String,
    /// The key that the platform shows it as `openai` and as `anthropic`.
    pub key: String,
    state: Arc<State>,
    secrets: NamedTempFile,
}

impl ProviderStub {
    /// Starts it on a free port.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let key = format!("sk-stub-{}", Uuid::new_v4().simple());
        used("the platform's key of a provider", &key);
        let secrets = NamedTempFile::new().expect("a file");
        let given = json!({"container-gateway": {"OPENAI_API_KEY": key, "ANTHROPIC_API_KEY": key}});
        std::fs::write(secrets.path(), given.to_string()).expect("a file");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build();
            runtime.expect("a runtime").block_on(serve(listener, shared));
        });
        Self {
            url,
            key,
            state,
            secrets,
        }
    }

    /// Options of `scripts/dev` for a stack whose `openai` and `anthropic` are this one, with two providers more: one without a key, one that nobody serves.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn flags(&self) -> Vec<String> {
        let row = |id: &str, dialect: &str, header: &str, key: &str, base: &str| {
            json!({
                "id": id, "dialect": dialect, "baseUrl": base, "keyHeader": header, "keyName": key,
                "paths": ["/v1/chat/completions", "/v1/messages", "/v1/models/*", "/v1/models"], "models": [{"id": "plain"}],
            })
        };
        let rows = json!([
            row("openai", "openai", "bearer", "OPENAI_API_KEY", &self.url),
            row("anthropic", "anthropic", "x-api-key", "ANTHROPIC_API_KEY", &self.url),
            row("keyless", "openai", "bearer", "KEYLESS_API_KEY", &self.url),
            row("silent", "openai", "bearer", "OPENAI_API_KEY", "http://127.0.0.1:9"),
        ]);
        vec![
            "--var".into(),
            format!("container-gateway.PROVIDERS={rows}"),
            "--secrets-file".into(),
            self.secrets.path().to_string_lossy().into_owned(),
        ]
    }

    /// What it was sent with this text in the body's `user`, in order.
    ///
    /// # Panics
    /// When a request broke it.
    #[must_use]
    pub fn seen(&self, user: &str) -> Vec<Seen> {
        let seen = self.state.seen.lock().expect("no panic while it is held");
        seen.iter().filter(|one| one.body["user"] == user).cloned().collect()
    }

    /// How many requests it was sent.
    ///
    /// # Panics
    /// When a request broke it.
    #[must_use]
    pub fn count(&self) -> usize {
        self.state.seen.lock().expect("no panic while it is held").len()
    }

    /// Where it was asked, in order.
    ///
    /// # Panics
    /// When a request broke it.
    #[must_use]
    pub fn targets(&self) -> Vec<String> {
        let seen = self.state.seen.lock().expect("no panic while it is held");
        seen.iter().map(|one| one.target.clone()).collect()
    }

    /// Whether somebody still reads a stream that was asked for with this text in the body's `user`.
    ///
    /// # Panics
    /// When a request broke it.
    #[must_use]
    pub fn is_read(&self, user: &str) -> bool {
        self.state
            .open
            .lock()
            .expect("no panic while it is held")
            .iter()
            .any(|one| one == user)
    }
}

/// Microseconds since 1970, as its tokens say when they were sent.
///
/// # Panics
/// When the clock stands before that.
#[must_use]
pub fn now_us() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970");
    u64::try_from(since.as_micros()).expect("a time of this era")
}

async fn serve(listener: std::net::TcpListener, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            drop(stream.set_nodelay(true));
            let service = service_fn(move |request| answer(request, Arc::clone(&state)));
            let served = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            // A connection that breaks is the caller's to notice.
            drop(served.await);
        });
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Body>, Infallible> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Ok(whole(400, &json!({"error": {"message": "the body broke off"}})));
    };
    let body = body.to_bytes();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let key = head
        .headers
        .get("authorization")
        .or(head.headers.get("x-api-key"))
        .cloned();
    state.seen.lock().expect("no panic while it is held").push(Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        length: body.len() as u64,
        body: asked.clone(),
    });
    let model = asked["model"].as_str().unwrap_or("plain").to_owned();
    let mut words = model.split('-');
    let kind = words.next().unwrap_or_default();
    let numbers: Vec<u64> = words.map(|word| word.parse().unwrap_or(0)).collect();
    let number = |at: usize| numbers.get(at).copied().unwrap_or(0);
    let speaks = if head.uri.path().ends_with("/messages") {
        Speaks::Anthropic
    } else {
        Speaks::Openai
    };
    let open = || Open::begin(Arc::clone(&state), asked["user"].as_str().unwrap_or_default());
    Ok(match kind {
        "paced" => events(speaks, &model, number(0), Duration::from_millis(number(1)), 0, open()),
        "big" => {
            let count = number(0).div_ceil(EVENT as u64);
            events(speaks, &model, count, Duration::ZERO, EVENT, open())
        }
        "status" => {
            let code = u16::try_from(number(0)).unwrap_or(500);
            let mut refused = whole(
                code,
                &json!({"error": {"type": "stub_error", "message": format!("the stub says {code}")}}),
            );
            if code == 429 {
                refused
                    .headers_mut()
                    .insert("retry-after", "7".parse().expect("a value"));
            }
            refused
        }
        "broken" => broken(number(0)),
        "torn" => torn(speaks, &model),
        "redirect" => {
            let mut away = whole(307, &json!({}));
            away.headers_mut()
                .insert("location", "/v1/models/elsewhere".parse().expect("a value"));
            away
        }
        "echo" => {
            let key = key
                .and_then(|key| key.to_str().map(str::to_owned).ok())
                .unwrap_or_default();
            let mut echoed = whole(
                401,
                &json!({"error": {"message": format!("Incorrect API key provided: {key}.")}}),
            );
            if let Ok(key) = key.parse() {
                echoed.headers_mut().insert("x-your-key", key);
            }
            echoed
        }
        "slow" => {
            tokio::time::sleep(Duration::from_millis(number(0))).await;
            whole(200, &document(speaks, &model))
        }
        _ => whole(200, &document(speaks, &model)),
    })
}

fn whole(status: u16, document: &Value) -> Response<Body> {
    let text = document.to_string();
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, text.len())
        .header("set-cookie", "stub=1")
        .header("x-request-id", "stub-request")
        .body(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed())
        .expect("an answer")
}

/// Says more bytes than it sends.
fn broken(bytes: u64) -> Response<Body> {
    Response::builder()
        .header(CONTENT_TYPE, "application/json")
        .header(CONTENT_LENGTH, bytes)
        .body(breaking("x".repeat(usize::try_from(bytes / 2).unwrap_or(0))))
        .expect("an answer")
}

/// A stream without its end.
fn torn(speaks: Speaks, model: &str) -> Response<Body> {
    Response::builder()
        .header(CONTENT_TYPE, "text/event-stream")
        .body(breaking(first(speaks, model)))
        .expect("an answer")
}

/// This text, and after a moment, in which it is sent, the end of the connection.
fn breaking(text: String) -> Body {
    let pieces = stream::unfold(Some(text), async |text| match text {
        Some(text) => Some((Ok(Frame::data(Bytes::from(text))), None)),
        None => {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Some((Err(io::Error::other("the stub hangs up")), None))
        }
    });
    StreamBody::new(pieces).boxed()
}

/// Tells the provider when nobody reads a stream any more, however it ends.
struct Open {
    state: Arc<State>,
    user: String,
}

impl Open {
    fn begin(state: Arc<State>, user: &str) -> Self {
        state
            .open
            .lock()
            .expect("no panic while it is held")
            .push(user.to_owned());
        let user = user.to_owned();
        Self { state, user }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut open = self.state.open.lock().expect("no panic while it is held");
        if let Some(place) = open.iter().position(|user| *user == self.user) {
            open.swap_remove(place);
        }
    }
}

/// Events with one token each: the time at which it was sent, in microseconds, and filling.
fn events(speaks: Speaks, model: &str, count: u64, pause: Duration, filling: usize, open: Open) -> Response<Body> {
    let (model, filling) = (model.to_owned(), "x".repeat(filling));
    let last = count + 1;
    let pieces = stream::unfold((0_u64, open), move |(number, open)| {
        let (model, filling) = (model.clone(), filling.clone());
        async move {
            if number > last {
                return None;
            }
            if number > 0 && number < last {
                tokio::time::sleep(pause).await;
            }
            let text = match number {
                0 => first(speaks, &model),
                _ if number == last => end(speaks, &model),
                _ => token(speaks, &model, &format!("{}{filling}", now_us())),
            };
            Some((Ok(Frame::data(Bytes::from(text))), (number + 1, open)))
        }
    });
    Response::builder()
        .header(CONTENT_TYPE, "text/event-stream; charset=utf-8")
        .body(StreamBody::new(pieces).boxed())
        .expect("an answer")
}
