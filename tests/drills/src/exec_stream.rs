//! Ninety seconds of output to a watcher that is cut off again and again, while everything between it and the command comes and goes.

use e2e_tests::drill;
use e2e_tests::launch::{Launch, root};
use e2e_tests::people::User;
use e2e_tests::processes::{self, Process};
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use e2e_tests::watch::{Connection, Watch};
use e2e_tests::written::{self, difference};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const LINES: usize = 340;
const APART: &str = "0.25";
const CUTS: u32 = 20;
const EVICTIONS: u32 = 8;
const BACK: Duration = Duration::from_secs(120);
const LONGEST_STEP_MS: u64 = 10_000;

fn main() -> ExitCode {
    drill::run_alone("exec-stream", async || {
        let state = state_dir().expect("a folder");
        let stack = Stack::start(&["--workers-build", "build-panic"], &state).await;
        let stack = stack.unwrap_or_else(|error| panic!("{error}"));
        watched(&stack).await;
        stack.stop().await.assert_clean();
    })
}

async fn watched(stack: &Stack) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let init = container(stack, &user).await;
    let written = written::lines(LINES, APART);
    let begun = Instant::now();
    let accepted = stack.submit(&user, &written.body).await;
    let path = user.path(&format!("/exec/{}/output", accepted["execId"].as_str().expect("an id")));

    let mut watch = Watch::default();
    let watching = async {
        let mut cuts = 0;
        // A different number of bytes each time, so that events are cut anywhere.
        while cuts < CUTS {
            let bytes = 900 + (cuts as usize * 2_711) % 6_000;
            if watch.listen(stack.get(&path).admin(), Some(bytes)).await == Connection::CutOff {
                cuts += 1;
            } else {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert!(
                watch.end.is_none(),
                "the command ended before it was cut off often enough: {}",
                watch.summary()
            );
        }
        watch.to_the_end(|| stack.get(&path).admin(), BACK).await;
    };
    let (evictions, killed, reloaded) = tokio::join!(watching, disturbed(stack, &user)).1;
    let took = begun.elapsed();

    let status = stack.outcome(&accepted).await;
    let stats = stack.get(&user.path("/exec")).admin().send().await.json(200)["stats"].clone();
    println!(
        "command {:.0} s, {CUTS} cuts, {} connections, {:.1} s without a stream\n\
         evictions {evictions}; runtime killed, back after {:.1} s; workers reloaded, back after {:.1} s\n\
         stdout {} bytes, stderr {} bytes, {} missing, {} repeated, {} said not to be kept\n\
         ended {} with exit code {}, generation {}; longest alarm step {} ms of {} steps",
        took.as_secs_f64(),
        watch.connections,
        watch.without.as_secs_f64(),
        killed.as_secs_f64(),
        reloaded.as_secs_f64(),
        watch.stdout.len(),
        watch.stderr.len(),
        watch.missing_bytes,
        watch.repeated_bytes,
        watch.gap_bytes,
        status["state"],
        status["exitCode"],
        status["generation"],
        stats["longestStepMs"],
        stats["steps"],
    );
    watch.assert_faultless();
    assert_eq!(difference(&watch.stdout, &written.stdout), None, "standard output");
    assert_eq!(difference(&watch.stderr, &written.stderr), None, "standard error");
    assert_eq!(
        (&status["state"], &status["exitCode"]),
        (&json!("failed"), &json!(9)),
        "{status}"
    );
    let end = watch.end.clone().unwrap_or(Value::Null);
    assert_eq!(
        (&end["state"], &end["exitCode"]),
        (&json!("failed"), &json!(9)),
        "{end}"
    );
    assert_eq!(container(stack, &user).await, init, "the container was started anew");
    assert_eq!((stack.generation(&user).await, &status["generation"]), (1, &json!(1)));
    assert!(
        stats["longestStepMs"].as_u64().is_some_and(|ms| ms <= LONGEST_STEP_MS),
        "{stats}"
    );
    assert_eq!(
        watch.listen(stack.get(&path).admin(), None).await,
        Connection::Answered(204),
        "nothing is left to be told"
    );
    // Whoever comes late is told the same.
    let mut late = Watch::default();
    late.to_the_end(|| stack.get(&path).admin(), BACK).await;
    late.assert_faultless();
    assert_eq!((late.stdout, late.stderr), (watch.stdout, watch.stderr));
}

/// The first process of the user's container.
async fn container(stack: &Stack, user: &User) -> Process {
    Process::read(stack.engine.only(user).await).expect("it runs")
}

/// The runtime of the workers: the larger one. Wrangler has another in front of it, without which nobody is answered until it is started anew, and
/// that ends the containers.
fn runtime(stack: &Stack) -> Option<Process> {
    let pages = |process: &Process| {
        let text = std::fs::read_to_string(format!("/proc/{}/statm", process.pid)).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let all = processes::tree(stack.ready.process("workers"));
    let all = all
        .into_iter()
        .filter(|process| process.command.contains("workerd serve"));
    all.max_by_key(pages)
}

/// Evicts the object that drives commands, kills the runtime, reloads the workers. How many evictions, and how long until it answered again.
async fn disturbed(stack: &Stack, user: &User) -> (u32, Duration, Duration) {
    let (mut evictions, mut killed, mut reloaded) = (0, Duration::ZERO, Duration::ZERO);
    while evictions < EVICTIONS {
        tokio::time::sleep(Duration::from_secs(5)).await;
        until("the object is dropped", BACK, async || {
            stack
                .ask_for_eviction(user)
                .await
                .ok()
                .filter(|reply| reply.status == 500)
                .map(|_| ())
        })
        .await;
        evictions += 1;
        if evictions == 3 {
            killed = replaced(stack, user, |runtime| Launch::signal(runtime.pid, Signal::SIGKILL)).await;
        }
        if evictions == 6 {
            reloaded = replaced(stack, user, |_| {
                let bundle = root().join("workers/admin/build-panic/index.js");
                let text = std::fs::read(&bundle).expect("the bundle");
                // Written anew, as by a build.
                std::fs::write(&bundle, text).expect("the bundle");
            })
            .await;
        }
    }
    (evictions, killed, reloaded)
}

/// Does what has the runtime replaced, and waits until another one answers.
async fn replaced(stack: &Stack, user: &User, doing: impl FnOnce(&Process)) -> Duration {
    let before = runtime(stack).expect("a runtime");
    let begun = Instant::now();
    doing(&before);
    until("another runtime answers", BACK, async || {
        if before.lives() {
            return None;
        }
        // What stands in front of the runtime answers for it while it is not there.
        let answered = stack.get(&user.path("/state")).admin().attempt_any(BACK).await;
        (answered == Some(200)).then_some(())
    })
    .await;
    begun.elapsed()
}
