//! Keeps the programs running: one that ends is started again, within bounds and said aloud.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::select_all;
use tokio::sync::mpsc;

use super::watchdog::{self, Silent};
use super::{Role, Stack, StackError};
use crate::engine::EngineClient;
use crate::process::adopted::{self, Spared};
use crate::process::child::{Ended, GuardedChild};
use crate::terminal::Terminal;

/// How long the removal of all sandboxes may hold up a restart.
const ORPHANS_LIMIT: Duration = Duration::from_secs(10);

impl Stack {
    /// Runs until a program cannot be kept running.
    pub(super) async fn supervise(&mut self) -> Result<(), StackError> {
        let (report, mut silent) = mpsc::channel(1);
        for program in &self.programs {
            if let Role::Wrangler { port, .. } = program.role {
                tokio::spawn(watchdog::watch(port, self.probe.clone(), report.clone()));
            }
        }
        loop {
            tokio::select! {
                (index, ended) = any_end(self.programs.iter_mut().map(|program| &mut program.child)) => {
                    self.restart(index, ended).await?;
                }
                Some(Silent { port }) = silent.recv() => self.end_silent(port),
            }
        }
    }

    /// Does `work`, unless a program ends meanwhile.
    pub(super) async fn unless_one_ends<E: Into<StackError>>(
        &mut self,
        work: impl Future<Output = Result<(), E>>,
    ) -> Result<(), StackError> {
        let ended = tokio::select! {
            outcome = work => return outcome.map_err(Into::into),
            ended = any_end(self.programs.iter_mut().map(|program| &mut program.child)) => ended,
        };
        let (index, ended) = ended;
        let Some(program) = self.programs.get_mut(index) else {
            return Err(StackError::EarlyEnd {
                name: String::new(),
                ended,
            });
        };
        // Its last words are part of the message, and may still be on their way to its log.
        program.child.drain_output().await;
        let name = program.launch.name.clone();
        Err(StackError::EarlyEnd { name, ended })
    }

    /// A wrangler whose runtime was killed may stay without ever answering again; its end makes the supervision start it anew.
    fn end_silent(&self, port: u16) {
        for program in self
            .programs
            .iter()
            .filter(|program| matches!(program.role, Role::Wrangler { port: own, .. } if own == port))
        {
            self.terminal
                .warn(&format!("{} does not answer any more; ending it", program.launch.name));
            program.child.terminate();
        }
    }

    async fn restart(&mut self, index: usize, ended: Ended) -> Result<(), StackError> {
        // Before the new one starts: what the old one left may hold its port.
        adopted::sweep(&self.spared_but(index)).await;
        let Some(program) = self.programs.get_mut(index) else {
            return Ok(());
        };
        let name = program.launch.name.clone();
        let Some(pause) = program.budget.next(Instant::now()) else {
            return Err(StackError::GivenUp(name));
        };
        self.terminal
            .warn(&format!("{name} ended with {ended}; starting it again"));
        tokio::time::sleep(pause).await;
        match program.role {
            Role::Engine => remove_stale_socket(&self.state.engine_socket()),
            Role::Wrangler {
                has_containers: true, ..
            } => remove_orphans(self.engine.as_ref(), &self.terminal).await,
            Role::Wrangler { .. } => {}
        }
        program.child =
            GuardedChild::start(&program.launch, &self.terminal).map_err(|error| StackError::Io("restart", error))?;
        if let Role::Wrangler { port, .. } = program.role {
            self.say_when_back(name, port);
        }
        self.write_ready().await
    }

    fn say_when_back(&self, name: String, port: u16) {
        let (probe, terminal, since) = (self.probe.clone(), self.terminal.clone(), Instant::now());
        tokio::spawn(async move {
            while !probe.is_alive(port, Duration::from_secs(2)).await {
                if since.elapsed() > Duration::from_secs(60) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            terminal.step(&name, since, "answers again");
        });
    }

    /// Everything that is at work but the program `index`.
    fn spared_but(&self, index: usize) -> Spared {
        let others = self.programs.iter().enumerate().filter(|(other, _)| *other != index);
        Spared {
            guards: others.map(|(_, program)| program.child.guard_pid()).collect(),
            session: self.browser,
        }
    }
}

/// Waits for the end of any of the programs, and tells which. Cancel-safe.
async fn any_end<'a>(children: impl Iterator<Item = &'a mut GuardedChild>) -> (usize, Ended) {
    let ends: Vec<_> = children.map(|child| Box::pin(child.wait())).collect();
    if ends.is_empty() {
        return std::future::pending().await;
    }
    let (ended, index, _) = select_all(ends).await;
    (index, ended)
}

/// A runtime that was killed leaves its sandboxes, and its successor would start second ones of the same people beside them.
async fn remove_orphans(engine: Option<&EngineClient>, terminal: &Terminal) {
    let Some(engine) = engine else { return };
    let outcome = tokio::time::timeout(ORPHANS_LIMIT, engine.remove_all()).await;
    if !matches!(outcome, Ok(Ok(()))) {
        terminal.warn("the sandboxes of the runtime that ended could not all be removed");
    }
}

/// An engine that was killed leaves its socket, and the next one must not stumble over it.
fn remove_stale_socket(socket: &Path) {
    let _ = std::fs::remove_file(socket);
}
