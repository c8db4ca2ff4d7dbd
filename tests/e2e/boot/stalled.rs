//! Sandboxes whose agent does not come up: it is stopped where it stands, or killed as often as it begins.

use e2e_tests::launch::Launch;
use e2e_tests::people::User;
use e2e_tests::processes::{self, Process};
use e2e_tests::stack::Stack;
use e2e_tests::wait::{repeatedly, until};
use nix::sys::signal::Signal;
use serde_json::Value;
use std::time::Duration;

pub const LIMIT: Duration = Duration::from_secs(60);

/// What is answered at once is answered within this time on a busy machine, far from the half minute for which a request is held.
pub const AT_ONCE: Duration = Duration::from_secs(8);

/// The processes of the agent in a user's container.
async fn agents(stack: &Stack, user: &User) -> Vec<Process> {
    stack
        .engine
        .running(user)
        .await
        .into_iter()
        .flat_map(agents_in)
        .collect()
}

fn agents_in(container: i32) -> Vec<Process> {
    let mut members = processes::tree(container);
    // The shim names it on its own command line as well; the agent itself begins with its program.
    members.retain(|process| process.command.split_whitespace().nth(1) == Some("echo-agent"));
    members
}

/// How far the user's sandbox is.
pub async fn boot(stack: &Stack, user: &User) -> Value {
    stack.get("/_molt/boot").user(user).send().await.json(200)
}

/// An agent that was stopped where it stands. It goes on when this is dropped.
pub struct Stalled(Vec<Process>);

impl Stalled {
    /// Lets it go on.
    pub fn goes_on(&self) {
        for process in self.0.iter().filter(|process| process.lives()) {
            Launch::signal(process.pid, Signal::SIGCONT);
        }
    }
}

impl Drop for Stalled {
    fn drop(&mut self) {
        self.goes_on();
    }
}

/// A running sandbox whose agent was stopped where it stands, once it is known not to answer. It has not ended, so no crash is counted.
pub async fn stall(stack: &Stack, user: &User) -> Stalled {
    stack.awake(user).await;
    let stalled = Stalled(agents(stack, user).await);
    assert!(!stalled.0.is_empty(), "there is no agent");
    for process in &stalled.0 {
        Launch::signal(process.pid, Signal::SIGSTOP);
    }
    until("the agent that was stopped is seen not to answer", LIMIT, async || {
        // Somebody notices only when somebody asks; what it had accepted before it is not answered at all.
        let asked = stack
            .get("/")
            .user(user)
            .browser()
            .attempt_any(Duration::from_secs(3))
            .await;
        let seen = boot(stack, user).await;
        // With a cause it is only doubted until somebody has looked.
        (asked == Some(503) && seen["lifecycle"] == "starting" && seen["cause"].is_null()).then_some(())
    })
    .await;
    stalled
}

/// Kills the agent of a running sandbox as often as it begins, until the start has failed; the answer that says so.
pub async fn break_agent(stack: &Stack, user: &User) -> Value {
    stack.awake(user).await;
    let killing = async {
        repeatedly(u32::MAX, Duration::from_millis(40), async |_| {
            for process in agents(stack, user).await {
                Launch::signal(process.pid, Signal::SIGKILL);
            }
        })
        .await;
    };
    let failing = until("the start has failed", Duration::from_secs(120), async || {
        // Without a request nobody would notice.
        let page = stack.get("/").user(user).browser().send().await;
        assert!(matches!(page.status, 200 | 503), "{}", page.status);
        let boot = boot(stack, user).await;
        (boot["lifecycle"] == "failed").then_some(boot)
    });
    tokio::select! {
        () = killing => unreachable!("it is not over"),
        failed = failing => failed,
    }
}
