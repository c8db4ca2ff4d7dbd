//! `sandboxd init`: PID 1 of a sandbox. Single-threaded and small on purpose: it is the one process whose end is the end of everything.

mod supervision;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::process::confine::unblock_signals;
use crate::process::exit::{Exit, Left, Reaped, reap_ended};
use crate::process::{hardening, tree};
use crate::settings::{InitArgs, Settings};
use supervision::{Action, Event, Supervision};

/// How long killed processes may take to disappear before `init` exits all the same.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
/// How often in a row zombies are collected.
const REAPED_AT_ONCE: usize = 16;
/// Exit code for an environment that is not one to start from, as in sysexits.h.
const EX_CONFIG: u8 = 78;

/// Runs until TERM or INT; returns 0 when everything that ran has ended.
pub fn run(args: &InitArgs) -> ExitCode {
    hardening::make_undumpable();
    hardening::adopt_orphans();
    let vars: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let boot_id = uuid::Uuid::new_v4().to_string();
    let settings = match Settings::from_vars(&vars, args.layout.clone(), boot_id) {
        Ok(settings) => settings,
        Err(error) => {
            tracing::error!(%error, "cannot start: the environment is incomplete");
            return ExitCode::from(EX_CONFIG);
        }
    };
    match keep_serving(&settings) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "init failed");
            ExitCode::FAILURE
        }
    }
}

fn keep_serving(settings: &Settings) -> io::Result<()> {
    let signals = block_signals()?;
    prepare_state_dir(&settings.layout.state_dir)?;
    let program = crate::process::own_program::own_program()?;
    // `serve` receives its settings on a pipe, so that no process but this one ever has the token in its environment.
    let handover = serde_json::to_vec(settings)?;
    tracing::info!(
        boot_id = settings.boot_id,
        sandbox_id = settings.sandbox_id,
        generation = settings.generation,
        agent = settings.agent.name(),
        tier = settings.tier,
        "init started"
    );

    let clock = Instant::now();
    let mut serve: Option<Pid> = None;
    let last_save = Duration::from_millis(settings.layout.stop_save_limit_ms);
    let (mut supervision, mut action) = Supervision::start(settings.keeps_disk.then_some(last_save));
    loop {
        match action {
            Action::Spawn => match spawn_serve(&program, &handover) {
                Ok(pid) => serve = Some(pid),
                Err(error) => {
                    tracing::error!(%error, "cannot start serve");
                    action = supervision.step(Event::ServeEnded { clean: false }, clock.elapsed());
                    continue;
                }
            },
            Action::Terminate => signal_serve(serve, Signal::SIGTERM),
            Action::Finish { grace } => {
                end_everything(&signals, grace);
                tracing::info!("init ends");
                return Ok(());
            }
            Action::Wait => {}
        }
        action = match wait_for_signal(&signals, supervision.deadline(), clock)? {
            Some(Signal::SIGCHLD) => match reap(&mut serve) {
                Some(exit) => supervision.step(
                    Event::ServeEnded {
                        clean: exit.code == Some(0),
                    },
                    clock.elapsed(),
                ),
                None => Action::Wait,
            },
            Some(signal) => {
                tracing::info!(%signal, "asked to stop");
                supervision.step(Event::StopAsked, clock.elapsed())
            }
            None => supervision.step(Event::Tick, clock.elapsed()),
        };
    }
}

/// Signals arrive on a file descriptor, so that nothing runs inside a signal handler.
fn block_signals() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT] {
        set.add(signal);
    }
    set.thread_block()?;
    Ok(SignalFd::with_flags(
        &set,
        SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK,
    )?)
}

/// The folder of the supervisor's state: closed to everybody else, and empty, since what an earlier boot left there describes processes
/// that are gone.
fn prepare_state_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))?;
    for name in ["exec", "agent", "run", "snapshots"] {
        match fs::remove_dir_all(path.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::DirBuilder::new().mode(0o700).create(path.join(name))?,
        }
    }
    Ok(())
}

fn spawn_serve(program: &PathBuf, handover: &[u8]) -> io::Result<Pid> {
    let mut command = Command::new(program);
    command
        .arg("serve")
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
    if let Ok(level) = std::env::var("RUST_LOG") {
        command.env("RUST_LOG", level);
    }
    unblock_signals(&mut command);
    let mut child = command.spawn()?;
    if let Some(mut pipe) = child.stdin.take()
        && let Err(error) = pipe.write_all(handover)
    {
        // It died before it read; its end is reported like every other.
        tracing::warn!(%error, "serve did not take its settings");
    }
    Ok(Pid::from_raw(child.id().cast_signed()))
}

fn signal_serve(serve: Option<Pid>, signal: Signal) {
    if let Some(pid) = serve {
        let _ = kill(pid, signal);
    }
}

/// Waits for a signal until `deadline`, measured on `clock`. `None` when the time is up first.
fn wait_for_signal(signals: &SignalFd, deadline: Option<Duration>, clock: Instant) -> io::Result<Option<Signal>> {
    loop {
        if let Some(info) = signals.read_signal()? {
            return Ok(Some(Signal::try_from(info.ssi_signo.cast_signed())?));
        }
        let timeout = match deadline.map(|deadline| deadline.saturating_sub(clock.elapsed())) {
            Some(Duration::ZERO) => return Ok(None),
            // Rounded up, or the last fraction of a millisecond would be waited for in a busy loop.
            Some(left) => PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX),
            None => PollTimeout::NONE,
        };
        match poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reaps every zombie; the end of `serve` when it was among them.
fn reap(serve: &mut Option<Pid>) -> Option<Exit> {
    let mut ended = None;
    // Orphans may end as fast as they are reaped; the rest comes with the next signal.
    for _ in 0..REAPED_AT_ONCE {
        let (reaped, left) = reap_ended();
        for Reaped { pid, exit } in reaped {
            if Some(pid) == *serve {
                tracing::info!(pid = pid.as_raw(), %exit, "serve ended");
                *serve = None;
                ended = Some(exit);
            } else {
                tracing::debug!(pid = pid.as_raw(), %exit, "reaped an orphan");
            }
        }
        if ended.is_some() || left != Left::Unknown {
            break;
        }
    }
    ended
}

/// Ends what is left below us: TERM, KILL after `grace`. Walks the tree instead of signalling "everyone", which would be the whole
/// machine where this is not PID 1 of a namespace.
fn end_everything(signals: &SignalFd, grace: Duration) {
    let clock = Instant::now();
    let mut left = tree::signal_descendants(Signal::SIGTERM, |_| true);
    while left > 0 && clock.elapsed() < grace + KILL_PATIENCE {
        if let (_, Left::Nothing) = reap_ended() {
            return;
        }
        if clock.elapsed() >= grace {
            tree::signal_descendants(Signal::SIGKILL, |_| true);
        }
        // A child's end cuts the wait short.
        let _ = wait_for_signal(signals, Some(clock.elapsed() + Duration::from_millis(20)), clock);
        left = tree::living_descendants().len();
    }
    let _ = reap_ended();
    if left > 0 {
        tracing::error!(left, "processes survived KILL");
    }
}
