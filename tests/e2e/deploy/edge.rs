//! Answers as the deployed workers would, by what the account of the stand-in holds: which versions have traffic, with which variables and keys.

use crate::account;
use crate::program::Operator;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The edge. Requests are answered one after the other.
pub struct Edge {
    /// Where it answers.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    /// A worker whose later versions fail.
    faulty: Mutex<Option<&'static str>>,
    /// All answers are failures.
    down: AtomicBool,
    /// A worker of which only the first version answers, whatever has the traffic.
    stale: Mutex<Option<&'static str>>,
    /// Milliseconds that a deployment of another worker than the router takes to arrive.
    lag: AtomicU64,
    answered: AtomicU64,
}

impl Edge {
    /// The edge of an operator's account, which becomes the place where his deployment is asked.
    pub fn of(operator: &mut Operator) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        operator.environment["verify"] = json!({"url": url, "seconds": 3});
        let shared = Arc::new(Shared {
            folder: operator.folder.path().to_owned(),
            faulty: Mutex::new(None),
            down: AtomicBool::new(false),
            stale: Mutex::new(None),
            lag: AtomicU64::new(0),
            answered: AtomicU64::new(0),
        });
        let thread_shared = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is no fault of the edge.
                let _ = answer(&thread_shared, stream);
            }
        });
        Self { url, shared }
    }

    /// Later versions than the first of this worker answer 500 from now on.
    pub fn break_later_versions_of(&self, worker: &'static str) {
        *self.shared.faulty.lock().unwrap() = Some(worker);
    }

    /// Nothing works.
    pub fn break_all(&self) {
        self.shared.down.store(true, Ordering::Relaxed);
    }

    /// What the router calls is deployed this long after the router would be.
    pub fn delay_backends(&self, lag: Duration) {
        let lag = u64::try_from(lag.as_millis()).unwrap();
        self.shared.lag.store(lag, Ordering::Relaxed);
    }

    /// New versions of this worker never arrive.
    pub fn keep_first_version_of(&self, worker: &'static str) {
        *self.shared.stale.lock().unwrap() = Some(worker);
    }
}

fn answer(shared: &Shared, stream: TcpStream) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        lines.push(line.trim_end().to_owned());
    }
    let path = lines
        .first()
        .and_then(|line| line.split(' ').nth(1))
        .unwrap_or_default();
    let header = |name: &str| {
        let found = lines
            .iter()
            .find_map(|line| line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)));
        found.map(|(_, value)| value.trim().to_owned())
    };
    let turn = shared.answered.fetch_add(1, Ordering::Relaxed);
    let choose = header("cloudflare-workers-version-overrides").unwrap_or_default();
    let (status, backend, body) = respond(shared, path, header("x-admin-secret").as_deref(), &choose, turn);
    let body = body.to_string();
    write!(
        &stream,
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nx-molt-backend: {backend}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

fn respond(shared: &Shared, path: &str, secret: Option<&str>, choose: &str, turn: u64) -> (u16, &'static str, Value) {
    let faulty = *shared.faulty.lock().unwrap();
    let of = |worker: &'static str| {
        let version = serving(shared, worker, choose, turn);
        version.filter(|version| sound(version, worker, faulty))
    };
    let broken = (500, "router", json!({"code": "internal"}));
    if shared.down.load(Ordering::Relaxed) {
        return broken;
    }
    let Some(router) = of("acme-router") else { return broken };
    if path == "/api/status" {
        return (200, "router", json!({"release": router["vars"]["MOLT_RELEASE"]}));
    }
    if secret != router["secrets"]["MOLTBOT_GATEWAY_MASTER_TOKEN"].as_str() || secret.is_none() {
        return (401, "router", json!({"code": "unauthenticated"}));
    }
    if router["vars"]["USE_NEW_ADMIN_API"] != "true" && path != "/api/super/flags" {
        return (404, "legacy", json!({}));
    }
    let Some(admin) = of("acme-admin-api") else {
        return broken;
    };
    if !knows(&admin, &router) {
        return (401, "admin", json!({"code": "identity"}));
    }
    match path {
        "/api/super/openapi.json" => {
            let version = format!("0.1.0+{}", admin["vars"]["MOLT_RELEASE"].as_str().unwrap_or_default());
            (200, "admin", json!({"info": {"version": version}}))
        }
        "/api/super/flags" => (200, "admin", json!({})),
        "/api/super/users?limit=1" => (200, "admin", json!({"users": [{"userId": "u1"}]})),
        "/api/super/users/u1/state" => match of("acme-container-gateway") {
            Some(gateway) if knows(&gateway, &router) => (200, "admin", json!({"state": "stopped"})),
            _ => (502, "admin", json!({"code": "sandbox_unavailable"})),
        },
        _ => (404, "admin", json!({"code": "not_found"})),
    }
}

fn sound(version: &Value, worker: &str, faulty: Option<&str>) -> bool {
    faulty != Some(worker) || version["id"].as_str().is_some_and(|id| id.ends_with("-v1"))
}

/// The version that answers: the chosen one when it has traffic, else each in its turn.
fn serving(shared: &Shared, worker: &'static str, choose: &str, turn: u64) -> Option<Value> {
    let account = account::read(&shared.folder);
    let worker_of = &account["workers"][worker];
    if *shared.stale.lock().unwrap() == Some(worker) {
        return worker_of["versions"].get(0).cloned();
    }
    let lag = if worker == "acme-router" {
        0
    } else {
        shared.lag.load(Ordering::Relaxed)
    };
    let arrived = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() - u128::from(lag);
    let mut deployments = worker_of["deployments"].as_array()?.iter().rev();
    let current =
        deployments.find(|deployment| deployment["at"].as_u64().is_some_and(|at| u128::from(at) <= arrived))?;
    let shares = current["versions"].as_array()?.clone();
    let ids: Vec<&str> = shares.iter().filter_map(|share| share["version_id"].as_str()).collect();
    let chosen = ids.iter().find(|id| choose == format!("{worker}=\"{id}\""));
    let id = chosen.or_else(|| ids.get(usize::try_from(turn).ok()? % ids.len()))?;
    worker_of["versions"]
        .as_array()?
        .iter()
        .find(|version| version["id"] == *id)
        .cloned()
}

/// Whether a worker has the key that the router signs with.
fn knows(worker: &Value, router: &Value) -> bool {
    let ring = |version: &Value| -> Value {
        serde_json::from_str(version["secrets"]["MOLT_IDENTITY_KEYS"].as_str().unwrap_or_default()).unwrap_or_default()
    };
    let (own, signing) = (ring(worker), ring(router));
    let current = signing["current"].as_str().unwrap_or_default();
    let key = &signing["keys"][current];
    key.is_string() && own["keys"][current] == *key
}
