//! `sandboxd echo-agent`: a small HTTP and WebSocket server that behaves like the agent where the platform looks at it.
//!
//! The real agent takes 10 s and 800 MB to start, so a test that needs twenty sandboxes cannot use it. This one has the same probes, the
//! same first WebSocket frame and the same trusted identity header, and shows what reached it.
//!
//! | Route | Does |
//! |---|---|
//! | `GET /healthz` | 200 as soon as it listens |
//! | `GET /startupz`, `GET /readyz` | 503 while starting, 200 after |
//! | `GET /` | page that names the user and the sandbox |
//! | any `/echo` | JSON: method, path, headers as `[[name, value]]`, bytes of the body |
//! | `POST /echo-body` | the body, streamed back |
//! | `GET /stream?n=&ms=` | `n` chunks (default 5), `ms` milliseconds apart (default 0) |
//! | `GET /set-cookie?name=` | sets a cookie of that name |
//! | `POST /work` `{"ms": n}` | is at work by itself for so long, as if it talked with a model |
//! | `POST /schedule` `{"at": ms}` | has something to do at that time (epoch milliseconds); `null` forgets it. Kept in the home |
//! | `GET /agent-work` | JSON for the supervisor: `busy`, `nextWakeAt`, and `ran`: how often the schedule came true |
//! | `POST /spawn?seconds=` | starts `sleep` in a session of its own, as a tool of the agent's would |
//! | `POST /crash?code=` | exits with that code (default 1) |
//! | what [`probes`] and [`wire`] list | HTTP as an agent may speak it: parts, codings, errors, answers that break off |
//! | WebSocket, any path | event `connect.challenge`, then every frame back; text `close:<code>:<reason>` closes, `raw-close:` also by an illegal code |
//!
//! Whoever says `connect` with the supervisor's password on a socket gets answers to `config.get` and `config.apply`; see [`document`].
//!
//! How long it is "starting" comes from `--start-delay-ms`; the file `.echo-start-delay-ms` in the home, when it is there, counts instead,
//! so that a test can change it between two starts.

mod document;
mod own_work;
mod probes;
mod routes;
mod socket;
mod wire;

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use own_work::OwnWork;
use routes::Echo;

/// File in the home that holds a start delay in milliseconds.
const DELAY_FILE: &str = ".echo-start-delay-ms";

/// Arguments of `sandboxd echo-agent`.
#[derive(Args, Clone, Debug)]
pub struct EchoArgs {
    /// Loopback port.
    #[arg(long, default_value_t = 18789)]
    port: u16,
    /// Milliseconds during which it says that it is starting.
    #[arg(long, default_value_t = 0)]
    start_delay_ms: u64,
    /// Says whether its configuration fits, and does nothing else.
    #[arg(long)]
    check_config: bool,
}

/// Runs until TERM.
pub fn run(args: &EchoArgs) -> ExitCode {
    if args.check_config {
        return if document::check() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve(args))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "echo agent failed");
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: &EchoArgs) -> io::Result<()> {
    document::must_fit()?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, args.port)).await?;
    let delay = Duration::from_millis(delay_from_file().unwrap_or(args.start_delay_ms));
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let echo = Arc::new(Echo::new(Instant::now() + delay, OwnWork::restore(&home)));
    tracing::info!(
        port = args.port,
        start_delay_ms = delay.as_millis(),
        "echo agent listens"
    );
    tokio::select! {
        () = wire::serve(listener, move |request| Arc::clone(&echo).handle(request)) => {}
        _ = terminate.recv() => tracing::info!("echo agent stops"),
    }
    Ok(())
}

fn delay_from_file() -> Option<u64> {
    let home = PathBuf::from(std::env::var_os("HOME")?);
    std::fs::read_to_string(home.join(DELAY_FILE)).ok()?.trim().parse().ok()
}
