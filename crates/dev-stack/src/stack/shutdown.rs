//! The end, in order: sandboxes, workers, engine, and then a look that nothing is left.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::{Role, Stack};
use crate::engine::EngineClient;
use crate::process::adopted::{self, Spared};
use crate::stop_signal::StopSignal;
use crate::terminal::Terminal;

/// Rounds of stopping sandboxes: one may start while the others stop.
const ROUNDS: usize = 3;
/// How long all sandboxes together may take.
const SANDBOXES_LIMIT: Duration = Duration::from_secs(30);

impl Stack {
    /// Stops everything. A further request to stop skips what is left of the waiting. Returns how many processes could not be ended.
    pub(super) async fn shut_down(&mut self, mut stop: StopSignal) -> usize {
        let begun = Instant::now();
        for file in self.ready_files() {
            let _ = std::fs::remove_file(file);
        }
        if self.programs.is_empty() {
            return 0;
        }
        self.terminal.say("Stopping (Ctrl-C again hurries)");
        if let Some(engine) = self.engine.clone() {
            tokio::select! {
                () = stop_sandboxes(&engine, &self.terminal) => {}
                () = tokio::time::sleep(SANDBOXES_LIMIT) => self.terminal.warn("sandboxes did not stop in time"),
                () = stop.again() => {}
            }
        }
        self.end_programs(&mut stop, |role| role != Role::Engine, "workers")
            .await;
        self.end_programs(&mut stop, |role| role == Role::Engine, "engine")
            .await;
        let left = adopted::sweep(&Spared {
            guards: Vec::new(),
            session: self.browser,
        })
        .await;
        self.terminal
            .say(&format!("Stopped ({:.1} s)", begun.elapsed().as_secs_f64()));
        left
    }

    async fn end_programs(&mut self, stop: &mut StopSignal, which: impl Fn(Role) -> bool, name: &str) {
        let started = Instant::now();
        let (chosen, kept): (Vec<_>, Vec<_>) = self.programs.drain(..).partition(|program| which(program.role));
        self.programs = kept;
        if chosen.is_empty() {
            return;
        }
        // The guards hold to their grace, so this ends even when a program ignores the request.
        let mut children: Vec<_> = chosen.into_iter().map(|program| program.child).collect();
        let guards: Vec<_> = children
            .iter()
            .map(crate::process::child::GuardedChild::stopper)
            .collect();
        let hurried = stop.is_repeated();
        for guard in &guards {
            guard.terminate();
            if hurried {
                guard.terminate();
            }
        }
        let ends = join_all(children.iter_mut().map(crate::process::child::GuardedChild::wait));
        tokio::pin!(ends);
        loop {
            tokio::select! {
                _ = &mut ends => break,
                () = stop.again() => guards.iter().for_each(crate::process::child::Stopper::terminate),
            }
        }
        self.terminal.step(name, started, "stopped");
    }
}

async fn stop_sandboxes(engine: &EngineClient, terminal: &Terminal) {
    let started = Instant::now();
    let mut stopped = 0;
    for _ in 0..ROUNDS {
        // An engine that is gone has no sandboxes.
        let Ok(names) = engine.sandboxes().await else { break };
        if names.is_empty() {
            break;
        }
        stopped += names.len();
        for outcome in join_all(names.iter().map(|name| engine.stop(name))).await {
            if let Err(error) = outcome {
                terminal.warn(&format!("a sandbox did not stop as it should: {error}"));
            }
        }
    }
    if stopped > 0 {
        terminal.step("sandboxes", started, &format!("{stopped} stopped"));
    }
}
