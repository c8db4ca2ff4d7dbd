//! What the platform tells of a command, held against what really happened to it: its processes are watched from outside by a mark in
//! their environment.

use crate::launch::Launch;
use crate::people::User;
use crate::processes::{self, Process};
use crate::reply::Reply;
use crate::stack::Stack;
use crate::wait::until;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// The variable that marks a command's processes.
pub const MARK: &str = "TRUTH_MARK";
/// Nothing may be told to run for longer than this after it has ended.
pub const LONGEST_UNTRUTH: Duration = Duration::from_secs(60);
/// A start of the sandbox may come before a command.
const BEGIN_LIMIT: Duration = Duration::from_secs(100);
const POLL: Duration = Duration::from_millis(25);

/// What is done to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing: it ends by itself.
    Nothing,
    /// It is cancelled once it runs.
    Cancel,
    /// It is cancelled as soon as it is accepted, before it can run.
    CancelBeforeItRuns,
    /// This signal from outside, to every process of it.
    Signal(Signal),
    /// `sandboxd serve` is killed.
    KillServe,
    /// `sandboxd init` is killed.
    KillInit,
    /// The object that drives it is dropped from memory, five times; with workers that do so on request.
    Evict,
    /// The runtime of the admin worker is killed; with `--split`.
    KillAdmin,
}

/// A command, what happens to it, and what must be told of it then.
#[derive(Clone, Debug)]
pub struct Case {
    /// In a few words.
    pub name: &'static str,
    /// Body of the submission.
    pub body: Value,
    /// What is done.
    pub act: Act,
    /// States of which one must be told.
    pub states: &'static [&'static str],
    /// Exit code that must be told.
    pub exit_code: Option<i32>,
    /// Signal that must be told.
    pub signal: Option<i32>,
}

impl Case {
    /// A shell command that is expected to be told as `state`, without exit code or signal.
    #[must_use]
    pub fn new(name: &'static str, command: &str, act: Act, states: &'static [&'static str]) -> Self {
        Self {
            name,
            body: json!({"command": command, "timeoutMs": 600_000}),
            act,
            states,
            exit_code: None,
            signal: None,
        }
    }

    /// Expects this exit code.
    #[must_use]
    pub const fn code(mut self, code: i32) -> Self {
        self.exit_code = Some(code);
        self
    }

    /// Expects this signal.
    #[must_use]
    pub const fn by(mut self, signal: i32) -> Self {
        self.signal = Some(signal);
        self
    }

    /// Adds a field of the submission.
    #[must_use]
    pub fn with(mut self, field: &str, value: Value) -> Self {
        self.body[field] = value;
        self
    }
}

/// Ends that need nothing but a sandbox.
#[must_use]
pub fn ordinary() -> Vec<Case> {
    let mut cases = vec![
        Case::new("exit 0", "sleep 1; exit 0", Act::Nothing, &["succeeded"]).code(0),
        Case::new("exit 7", "sleep 1; exit 7", Act::Nothing, &["failed"]).code(7),
        Case::new("time limit", "sleep 600", Act::Nothing, &["timed_out"])
            .by(15)
            .with("timeoutMs", json!(1_500)),
        Case::new(
            "time limit, TERM ignored",
            "trap '' TERM; while :; do sleep 0.1; done",
            Act::Nothing,
            &["timed_out"],
        )
        .by(9)
        .with("timeoutMs", json!(1_500))
        .with("killGraceMs", json!(500)),
        Case::new("cancelled", "sleep 600", Act::Cancel, &["cancelled"]).by(15),
        Case::new(
            "killed from outside",
            "sleep 600",
            Act::Signal(Signal::SIGKILL),
            &["failed"],
        )
        .by(9),
    ];
    for (name, command, signal) in [
        ("ends itself by KILL", "sleep 1; kill -9 $$", 9),
        ("ends itself by TERM", "sleep 1; kill -15 $$", 15),
        ("ends itself by SEGV", "sleep 1; kill -11 $$", 11),
        ("ends itself by ABRT", "sleep 1; kill -6 $$", 6),
        ("ends itself by HUP", "sleep 1; kill -1 $$", 1),
    ] {
        cases.push(Case::new(name, command, Act::Nothing, &["failed"]).by(signal));
    }
    cases
}

/// More memory than the sandbox may have; see [`Memory::leave`](crate::memory::Memory::leave).
#[must_use]
pub fn out_of_memory() -> Case {
    let mut case = Case::new("out of memory", "", Act::Nothing, &["failed"]).by(9);
    // Keeps what it reads until a line ends; before that it lives long enough to be seen.
    case.body = json!({"argv": ["sh", "-c", "sleep 1; exec tail /dev/zero"], "timeoutMs": 600_000});
    case
}

/// The supervisor in the sandbox is killed.
#[must_use]
pub fn serve_killed() -> Case {
    Case::new("sandboxd serve killed", "sleep 3; exit 5", Act::KillServe, &["failed"]).code(5)
}

/// The sandbox itself is killed.
#[must_use]
pub fn init_killed() -> Case {
    Case::new("sandboxd init killed", "sleep 600", Act::KillInit, &["lost"])
}

/// The object that drives it is dropped again and again.
#[must_use]
pub fn evicted() -> Case {
    Case::new("store evicted", "sleep 4; exit 5", Act::Evict, &["failed"]).code(5)
}

/// The runtime of the worker that drives it is killed.
#[must_use]
pub fn admin_killed() -> Case {
    Case::new("admin worker killed", "sleep 4; exit 5", Act::KillAdmin, &["failed"]).code(5)
}

/// What was told of one command.
#[derive(Clone, Debug)]
pub struct Told {
    /// The last status.
    pub status: Value,
    /// From the end of its last process until that status was there; `None` when it was not within [`LONGEST_UNTRUTH`].
    pub after: Option<Duration>,
    /// Whatever was not true, one line each.
    pub untruths: Vec<String>,
}

struct Run<'a> {
    stack: &'a Stack,
    user: &'a User,
    accepted: Value,
    mark: String,
}

impl Stack {
    /// Submits a command, does to it what the case says, and compares what is told with what is seen.
    ///
    /// # Panics
    /// When it is not accepted or what is to be done to it cannot be done.
    pub async fn try_case(&self, user: &User, case: &Case) -> Told {
        let mark = Uuid::new_v4().to_string();
        let mut body = case.body.clone();
        body["env"][MARK] = json!(mark);
        let accepted = self.submit(user, &body).await;
        let run = Run {
            stack: self,
            user,
            accepted,
            mark,
        };
        let (ended, mut told) = tokio::join!(run.suffers(case.act), run.is_told());
        run.compare(case, ended, &mut told);
        told.1
    }
}

impl Run<'_> {
    async fn alive(&self) -> Vec<Process> {
        let mark = self.mark.clone();
        tokio::task::spawn_blocking(move || processes::marked(MARK, &mark))
            .await
            .expect("a look at /proc")
    }

    async fn runs(&self) -> Vec<Process> {
        until("the command runs", BEGIN_LIMIT, async || {
            let alive = self.alive().await;
            (!alive.is_empty()).then_some(alive)
        })
        .await
    }

    /// Does what is to be done, and answers when the truth was there: nothing of the command is alive, or never will be.
    async fn suffers(&self, act: Act) -> Instant {
        if act == Act::CancelBeforeItRuns {
            self.stack.cancel(&self.accepted).await;
            return Instant::now();
        }
        let processes = self.runs().await;
        match act {
            Act::Nothing | Act::CancelBeforeItRuns => {}
            Act::Cancel => self.stack.cancel(&self.accepted).await,
            Act::Signal(signal) => processes.iter().for_each(|process| Launch::signal(process.pid, signal)),
            Act::KillServe => {
                let init = self.stack.engine.only(self.user).await;
                kill_named(init, "sandboxd serve");
            }
            Act::KillInit => {
                let init = self.stack.engine.only(self.user).await;
                kill_named(init, "sandboxd init");
            }
            Act::Evict => {
                for _ in 0..5 {
                    self.stack.evict_store(self.user).await;
                }
            }
            Act::KillAdmin => {
                kill_named(self.stack.ready.process("admin"), "workerd serve");
            }
        }
        loop {
            if self.alive().await.is_empty() {
                return Instant::now();
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Reads its status until that is an end. An edge that does not answer for a while is asked again.
    async fn is_told(&self) -> (Instant, Told) {
        let url = self.accepted["pollUrl"].as_str().expect("pollUrl");
        let begun = Instant::now();
        let mut told = Told {
            status: Value::Null,
            after: None,
            untruths: Vec::new(),
        };
        let mut ended: Option<Instant> = None;
        loop {
            let asked = self.stack.get(url).admin().attempt().await;
            match asked {
                Ok(reply) if reply.status == 200 => {
                    told.status = reply.json(200);
                    if !told.status["completedAt"].is_null() {
                        return (Instant::now(), told);
                    }
                    if !told.status["exitCode"].is_null() || !told.status["signal"].is_null() {
                        told.untruths
                            .push(format!("an outcome before the end: {}", told.status));
                    }
                }
                Ok(reply) if reply.status == 404 => told.untruths.push(format!("it vanished: {}", reply.text())),
                // What is not there cannot lie.
                Ok(_) | Err(_) => {}
            }
            // A command that never begins is noticed by whoever waits for its processes.
            if told.status["state"] != "queued" && told.status["state"] != "waking" && self.alive().await.is_empty() {
                let since = *ended.get_or_insert_with(Instant::now);
                if since.elapsed() > LONGEST_UNTRUTH {
                    return (Instant::now(), told);
                }
            } else {
                ended = None;
            }
            assert!(
                begun.elapsed() < BEGIN_LIMIT * 6,
                "it neither ends nor begins: {}",
                told.status
            );
            tokio::time::sleep(POLL).await;
        }
    }

    fn compare(&self, case: &Case, ended: Instant, (at, told): &mut (Instant, Told)) {
        if !told.status["completedAt"].is_null() {
            told.after = Some(at.saturating_duration_since(ended));
        }
        told.judge(case);
        let left = processes::marked(MARK, &self.mark);
        if !left.is_empty() {
            told.untruths.push(format!("it lives: {left:?}"));
        }
    }
}

impl Told {
    fn judge(&mut self, case: &Case) {
        let status = &self.status;
        let mut wrong = |what: String| self.untruths.push(format!("{what}: {status}"));
        if self.after.is_none_or(|after| after > LONGEST_UNTRUTH) {
            wrong(format!("told {:?} after it", self.after));
        }
        if !case.states.contains(&status["state"].as_str().unwrap_or_default()) {
            wrong(format!("it is none of {:?}", case.states));
        }
        if status["exitCode"] != json!(case.exit_code) {
            wrong(format!("the exit code is not {:?}", case.exit_code));
        }
        // With the end of its sandbox, whether its own was still seen is chance.
        let by_chance = status["state"] == "cancelled" && case.act == Act::Nothing;
        if !by_chance && status["signal"] != json!(case.signal) {
            wrong(format!("the signal is not {:?}", case.signal));
        }
    }
}

fn kill_named(init: i32, name: &str) {
    let members = processes::tree(init);
    let found: Vec<&Process> = members
        .iter()
        .filter(|process| process.command.contains(name))
        .collect();
    assert!(!found.is_empty(), "no {name} among {members:?}");
    found
        .iter()
        .for_each(|process| Launch::signal(process.pid, Signal::SIGKILL));
}

impl Stack {
    /// What is told of a command that ended while nobody could tell anything: the times count from now on.
    ///
    /// # Panics
    /// When it is not told for minutes.
    pub async fn told_later(&self, accepted: &Value, case: &Case) -> Told {
        let begun = Instant::now();
        let status = self.outcome(accepted).await;
        let mut told = Told {
            status,
            after: Some(begun.elapsed()),
            untruths: Vec::new(),
        };
        told.judge(case);
        told
    }

    /// Drops the object that drives a user's commands from memory, in the middle of whatever it does. With workers that do so on
    /// request (`scripts/build --induced-panic`).
    ///
    /// # Panics
    /// When the request is answered as if nothing had happened.
    pub async fn evict_store(&self, user: &User) {
        let answer = self
            .ask_for_eviction(user)
            .await
            .map(|reply| (reply.status, reply.text()));
        assert!(
            answer.as_ref().is_ok_and(|(status, _)| *status == 500),
            "the object was not dropped: {answer:?}"
        );
    }

    /// The request that asks for it, for times at which nobody may answer; 500 when it was done.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn ask_for_eviction(&self, user: &User) -> reqwest::Result<Reply> {
        let body = json!({"command": "true", "env": {"INDUCED_PANIC": "exec-store/evict"}});
        self.post(&user.path("/exec")).admin().json(&body).attempt().await
    }
}
