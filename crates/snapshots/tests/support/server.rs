//! restic's REST protocol, version 2, over a folder, with faults on demand. Objects are only ever added, as the platform's repository does it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as Segments, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What the server does wrong, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Answers 500.
    Broken,
    /// Ends the connection in the middle of the body.
    Drops,
}

/// A request that it got.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub path: String,
    pub declared: Option<u64>,
    pub received: u64,
}

#[derive(Default)]
struct Plan {
    /// Of a method and the start of a path: what, and how many times more.
    faults: Vec<(Method, String, Fault, usize)>,
    requests: Vec<Request>,
}

#[derive(Clone)]
struct Shared {
    folder: PathBuf,
    token: String,
    plan: Arc<Mutex<Plan>>,
}

/// A repository's server; it ends with the value.
pub struct Server {
    shared: Shared,
    pub address: String,
    _folder: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shared = Shared {
            folder: folder.path().to_owned(),
            token: "tokentoken".to_owned(),
            plan: Arc::default(),
        };
        let router = Router::new()
            .route("/repo/restic/", any(root))
            .route("/repo/restic/config", any(config))
            .route("/repo/restic/{kind}/", any(list))
            .route("/repo/restic/{kind}/{name}", any(object))
            .layer(axum::extract::DefaultBodyLimit::disable())
            .with_state(shared.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        runtime.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            shared,
            address,
            _folder: folder,
            _runtime: runtime,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/repo/", self.address)
    }

    pub fn token(&self) -> String {
        self.shared.token.clone()
    }

    /// For restic's own client, which sends the token as a password.
    pub fn restic_url(&self) -> String {
        format!("rest:http://x:{}@{}/repo/restic/", self.shared.token, self.address)
    }

    pub fn fail(&self, method: Method, path: &str, fault: Fault, times: usize) {
        self.shared
            .plan
            .lock()
            .unwrap()
            .faults
            .push((method, path.to_owned(), fault, times));
    }

    pub fn heal(&self) {
        self.shared.plan.lock().unwrap().faults.clear();
    }

    pub fn take_requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.shared.plan.lock().unwrap().requests)
    }

    /// Objects of a kind with their files.
    pub fn objects(&self, kind: &str) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.shared.folder.join(kind))
            .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
            .unwrap_or_default();
        files.sort();
        files
    }

    pub fn object(&self, kind: &str, name: &str) -> PathBuf {
        self.shared.folder.join(kind).join(name)
    }
}

fn authorized(shared: &Shared, headers: &HeaderMap) -> bool {
    use base64::Engine as _;
    let sent = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("x:{}", shared.token));
    sent == format!("Bearer {}", shared.token) || sent == format!("Basic {basic}")
}

/// Notes the request and says what goes wrong with it.
fn admit(
    shared: &Shared,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<Option<Fault>, StatusCode> {
    if !authorized(shared, headers) {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let declared = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    let mut plan = shared.plan.lock().unwrap();
    plan.requests.push(Request {
        method: method.clone(),
        path: path.to_owned(),
        declared,
        received: body.len() as u64,
    });
    let Some(fault) = plan
        .faults
        .iter_mut()
        .find(|(of, start, _, times)| of == method && path.starts_with(start.as_str()) && *times > 0)
    else {
        return Ok(None);
    };
    fault.3 -= 1;
    match fault.2 {
        Fault::Broken => Err(StatusCode::INTERNAL_SERVER_ERROR),
        Fault::Drops => Ok(Some(Fault::Drops)),
    }
}

/// Half of it, then an end to the connection.
fn dropped(bytes: &[u8]) -> Response {
    let half = Bytes::copy_from_slice(&bytes[..bytes.len() / 2]);
    let parts: Vec<Result<Bytes, std::io::Error>> = vec![Ok(half), Err(std::io::Error::other("dropped"))];
    let length = bytes.len().max(1);
    (
        [(header::CONTENT_LENGTH, length.to_string())],
        Body::from_stream(futures_util::stream::iter(parts)),
    )
        .into_response()
}

async fn root(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    match admit(&shared, &method, "/", &headers, &Bytes::new()) {
        Err(status) => status.into_response(),
        Ok(_) if method == Method::POST && query.contains_key("create") => StatusCode::OK.into_response(),
        Ok(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn config(State(shared): State<Shared>, method: Method, headers: HeaderMap, body: Bytes) -> Response {
    let fault = match admit(&shared, &method, "config", &headers, &body) {
        Ok(fault) => fault,
        Err(status) => return status.into_response(),
    };
    answer(&shared.folder.join("config"), &method, &headers, &body, fault)
}

async fn list(
    State(shared): State<Shared>,
    Segments(kind): Segments<String>,
    method: Method,
    headers: HeaderMap,
) -> Response {
    match admit(&shared, &method, &format!("{kind}/"), &headers, &Bytes::new()) {
        Err(status) => return status.into_response(),
        Ok(Some(_)) => return dropped(b"[{\"name\":"),
        Ok(None) => {}
    }
    let entries: Vec<String> = std::fs::read_dir(shared.folder.join(&kind))
        .map(|entries| {
            entries
                .filter_map(|entry| {
                    let entry = entry.ok()?;
                    let name = entry.file_name().into_string().ok()?;
                    (!name.ends_with(".part")).then(|| {
                        Some(format!(
                            r#"{{"name":"{name}","size":{}}}"#,
                            entry.metadata().ok()?.len()
                        ))
                    })?
                })
                .collect()
        })
        .unwrap_or_default();
    (
        [(header::CONTENT_TYPE, "application/vnd.x.restic.rest.v2")],
        format!("[{}]", entries.join(",")),
    )
        .into_response()
}

async fn object(
    State(shared): State<Shared>,
    Segments((kind, name)): Segments<(String, String)>,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let fault = match admit(&shared, &method, &format!("{kind}/{name}"), &headers, &body) {
        Ok(fault) => fault,
        Err(status) => return status.into_response(),
    };
    if !["data", "index", "snapshots", "keys", "locks"].contains(&kind.as_str()) || name.contains(['/', '.']) {
        return StatusCode::BAD_REQUEST.into_response();
    }
    answer(&shared.folder.join(kind).join(name), &method, &headers, &body, fault)
}

fn answer(file: &Path, method: &Method, headers: &HeaderMap, body: &Bytes, fault: Option<Fault>) -> Response {
    match *method {
        Method::HEAD => match std::fs::metadata(file) {
            Ok(found) => [(header::CONTENT_LENGTH, found.len().to_string())].into_response(),
            Err(_) => StatusCode::NOT_FOUND.into_response(),
        },
        Method::GET => match std::fs::read(file) {
            Ok(bytes) if fault == Some(Fault::Drops) => dropped(&bytes),
            Ok(bytes) => match range(headers, bytes.len()) {
                Some((from, to)) => (StatusCode::PARTIAL_CONTENT, bytes[from..to].to_vec()).into_response(),
                None => bytes.into_response(),
            },
            Err(_) => StatusCode::NOT_FOUND.into_response(),
        },
        Method::POST if file.exists() => StatusCode::FORBIDDEN.into_response(),
        Method::POST => {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let part = file.with_extension("part");
            std::fs::write(&part, body).unwrap();
            std::fs::rename(part, file).unwrap();
            // It is there, but the sender does not hear of it.
            if fault == Some(Fault::Drops) {
                dropped(b"xx")
            } else {
                StatusCode::OK.into_response()
            }
        }
        Method::DELETE => match std::fs::remove_file(file) {
            Ok(()) => StatusCode::OK.into_response(),
            Err(_) => StatusCode::NOT_FOUND.into_response(),
        },
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

fn range(headers: &HeaderMap, length: usize) -> Option<(usize, usize)> {
    let (from, to) = headers
        .get(header::RANGE)?
        .to_str()
        .ok()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    let from: usize = from.parse().ok()?;
    let to = to.parse().map_or(length, |to: usize| (to + 1).min(length));
    (from <= to).then_some((from, to))
}
