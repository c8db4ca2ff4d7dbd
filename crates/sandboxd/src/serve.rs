//! `sandboxd serve`: wires proxy, control API, commands and the agent together.

use std::fs;
use std::io::{self, Read};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use molt_common::close_code::SERVICE_RESTART;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::agent::{
    AgentWork, Configuration, Disk, HandedProviders, Restarts, Supervisor, observe_configuration, observe_work,
};
use crate::control::{Control, Parts};
use crate::exec::Executor;
use crate::http_server;
use crate::persistence::Persistence;
use crate::process::{hardening, rlimits};
use crate::proxy::{Activity, Proxy, Sessions};
use crate::settings::{Layout, Settings};

/// How long commands may take to end when the sandbox stops: their 5 s between TERM and KILL, and the tree's end.
const COMMANDS_PATIENCE: Duration = Duration::from_secs(10);
/// How long answers that are on their way may take after everything has stopped.
/// What the agent answers when a stop begins has this long to end.
const EXCHANGES_PATIENCE: Duration = Duration::from_secs(2);
/// Pause between two looks at them.
const EXCHANGES_POLL: Duration = Duration::from_millis(20);
const LAST_ANSWERS: Duration = Duration::from_millis(200);
/// Sandboxes have few cores, and everything here waits most of the time.
const THREADS: usize = 2;

/// Runs until TERM.
pub fn run() -> ExitCode {
    // First, so that the settings are never in a process that others can look into.
    hardening::make_undumpable();
    if let Err(error) = rlimits::raise_open_files() {
        tracing::warn!(%error, "the number of open files stays as it is");
    }
    let outcome = read_settings().and_then(|settings| {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .enable_all()
            .build()?;
        let outcome = runtime.block_on(serve(settings));
        runtime.shutdown_background();
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "serve failed");
            ExitCode::FAILURE
        }
    }
}

fn read_settings() -> io::Result<Settings> {
    let mut handover = Vec::new();
    io::stdin().read_to_end(&mut handover)?;
    // The parser's words could repeat a value, so they are not passed on.
    serde_json::from_slice(&handover).map_err(|_| io::Error::other("these are not settings"))
}

/// Lets answers that the agent has begun arrive whole. A stream that goes on for ever is cut all the same.
async fn finish_exchanges(activity: &Activity) {
    let all = async {
        while activity.open_exchanges() > 0 {
            tokio::time::sleep(EXCHANGES_POLL).await;
        }
    };
    if tokio::time::timeout(EXCHANGES_PATIENCE, all).await.is_err() {
        tracing::info!(open = activity.open_exchanges(), "answers are cut off");
    }
}

/// Whether no other `serve` has run in this boot; from now on one has. `init` empties the folder at each boot.
fn is_first_of_boot(layout: &Layout) -> io::Result<bool> {
    let mark = layout.state_dir.join("run").join("served");
    match fs::OpenOptions::new().write(true).create_new(true).open(mark) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

async fn serve(settings: Settings) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let layout = &settings.layout;
    let control_port = TcpListener::bind((layout.listen, layout.control_port)).await?;
    let proxy_port = TcpListener::bind((layout.listen, layout.proxy_port)).await?;

    let activity = Arc::new(Activity::default());
    if !is_first_of_boot(layout)? {
        // What the one before has seen is not known: perhaps somebody was there a moment ago.
        activity.person_seen();
    }
    let sessions = Arc::new(Sessions::default());
    let executor = Executor::restore(layout).await?;
    let (stop, stopped) = watch::channel(false);
    let restarts = Arc::new(Restarts::restore(layout));
    let providers = Arc::new(HandedProviders::restore(&settings));
    let configuration = Configuration::restore(&settings, Arc::clone(&providers));
    let persistence = match settings.keeps_disk {
        true => Some(Persistence::restore(settings.clone()).await?),
        false => None,
    };
    let disk = match &persistence {
        Some(persistence) => persistence.disk(),
        None => watch::channel(Disk::Ready).1,
    };
    let keeping = persistence
        .as_ref()
        .map(|persistence| tokio::spawn(Arc::clone(persistence).run(stopped.clone())));
    let (supervisor, agent) = Supervisor::new(
        settings.clone(),
        stopped,
        disk,
        Arc::clone(&restarts),
        Arc::clone(&sessions),
        Arc::clone(&configuration),
        Arc::clone(&providers),
    );
    let supervising = tokio::spawn(supervisor.run());
    let work = Arc::new(AgentWork::default());
    tokio::spawn(observe_work(settings.clone(), agent.clone(), Arc::clone(&work)));
    tokio::spawn(observe_configuration(
        layout.home.clone(),
        Arc::clone(&configuration),
        agent.clone(),
    ));

    let proxy = Proxy::new(&settings, agent.clone(), Arc::clone(&activity), Arc::clone(&sessions))?;
    let parts = Parts {
        agent,
        activity: Arc::clone(&activity),
        sessions: Arc::clone(&sessions),
        executor: Arc::clone(&executor),
        restarts,
        work,
        persistence: persistence.clone(),
        configuration,
        providers,
    };
    let control = Control::new(settings.clone(), parts);
    tokio::spawn(http_server::serve(control_port, move |request| {
        Arc::clone(&control).handle(request)
    }));
    tokio::spawn(http_server::serve(proxy_port, move |request| {
        Arc::clone(&proxy).handle(request)
    }));
    tracing::info!(boot_id = settings.boot_id, generation = settings.generation, "serving");

    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    sessions.close_all(SERVICE_RESTART, "The sandbox is stopping. Connect again in a moment.");
    finish_exchanges(&activity).await;
    if let Some(persistence) = &persistence {
        persistence.stop();
    }
    stop.send_replace(true);
    let ((), agent_ended) = tokio::join!(executor.stop_all(COMMANDS_PATIENCE), supervising);
    agent_ended.map_err(io::Error::other)?;
    if let (Some(persistence), Some(keeping)) = (persistence, keeping) {
        // A save that is under way leaves less to the last one.
        keeping.await.map_err(io::Error::other)?;
        persistence.save_at_stop().await;
    }
    // Long polls are answered by the ends of what they wait for; give those answers the time to leave.
    tokio::time::sleep(LAST_ANSWERS).await;
    tracing::info!("stopped");
    Ok(())
}
