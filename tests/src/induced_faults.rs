//! The list of faults that workers built by `scripts/build --induced-panic` ask for (`crates/platform/src/induced.rs`), switched while they run.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

/// A caller that says nothing for this long is gone.
const CALLER_LIMIT: Duration = Duration::from_secs(5);

#[derive(Default)]
struct State {
    now: BTreeSet<String>,
    asked: u64,
    had: BTreeMap<String, u64>,
}

/// Serves the list until the process ends. None is there at first.
#[derive(Clone)]
pub struct InducedFaults {
    url: String,
    state: Arc<Mutex<State>>,
}

impl InducedFaults {
    /// Starts on a free port of loopback.
    ///
    /// # Panics
    /// When it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A connection that breaks is the caller's to notice.
                thread::spawn(move || drop(answer(stream, &state)));
            }
        });
        Self { url, state }
    }

    /// Flags of `scripts/dev` that have these workers ask here, such as `router` or `container-gateway`.
    #[must_use]
    pub fn flags(&self, workers: &[&str]) -> Vec<String> {
        let var = |worker: &&str| format!("--var={worker}.INDUCED_FAULTS_URL={}", self.url);
        let build = ["--workers-build".to_owned(), "build-panic".to_owned()];
        build.into_iter().chain(workers.iter().map(var)).collect()
    }

    /// From now on these faults are there and no others. What is under way may still go by the list before.
    pub fn set(&self, faults: &[&str]) {
        self.state().now = faults.iter().map(|fault| (*fault).to_owned()).collect();
    }

    /// How often somebody asked: a test of what a fault does must see that the fault was looked for.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.state().asked
    }

    /// How often somebody who asked for this fault was told that it is there.
    #[must_use]
    pub fn had(&self, fault: &str) -> u64 {
        self.state().had.get(fault).copied().unwrap_or_default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics while he holds this")
    }
}

/// Answers one request and closes: what it asks for is the same for all.
fn answer(mut stream: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    stream.set_read_timeout(Some(CALLER_LIMIT))?;
    let mut head = Vec::new();
    let mut buffer = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => head.extend_from_slice(&buffer[..read]),
        }
    }
    let body = {
        let mut state = state.lock().map_err(|_| io::ErrorKind::Other)?;
        state.asked += 1;
        let named = named(&head).filter(|name| state.now.contains(name));
        if let Some(name) = named {
            *state.had.entry(name).or_default() += 1;
        }
        state.now.iter().map(|fault| format!("{fault}\n")).collect::<String>()
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
}

/// What a question `GET /?<fault>` is about.
fn named(head: &[u8]) -> Option<String> {
    let line = String::from_utf8_lossy(head);
    let path = line.split_whitespace().nth(1)?;
    Some(path.split_once('?')?.1.to_owned())
}
