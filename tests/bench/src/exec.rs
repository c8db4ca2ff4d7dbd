//! What a command costs beyond running it: `true`, one after another, from the request to its result, beside the same program started directly.

use e2e_tests::beside::percentile;
use e2e_tests::drill;
use e2e_tests::load::Table;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use molt_common::time::Millis;
use serde_json::{Value, json};
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const ROUNDS: usize = 300;
const WARMING: usize = 20;

/// How the result is learnt.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Learnt {
    /// The status is read again and again, without a pause.
    Polled,
    /// One read of the output that waits.
    Waited,
    /// One request that answers with the result.
    Sync,
}

/// One run, in parts of milliseconds since the request; the clocks are those of one machine.
struct Run {
    whole: Duration,
    accepted: Duration,
    /// To the store's commit, the start of the process, its end, and the answer with the result.
    parts: Option<[f64; 4]>,
}

#[allow(clippy::cast_precision_loss)] // Milliseconds since 1970 are exact.
fn now_ms() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_micros() as f64
        / 1e3
}

#[allow(clippy::cast_precision_loss)] // As above.
fn at(status: &Value, name: &str) -> Option<f64> {
    status[name].as_str().and_then(Millis::parse_iso).map(|at| at.0 as f64)
}

async fn run(stack: &Stack, user: &User, learnt: Learnt) -> Run {
    let (begun, clock) = (Instant::now(), now_ms());
    let body = json!({"command": "true"});
    if learnt == Learnt::Sync {
        let reply = stack.post(&user.path("/exec-sync")).admin().json(&body).send().await;
        assert_eq!(reply.json(200)["exitCode"], 0);
        return Run {
            whole: begun.elapsed(),
            accepted: Duration::ZERO,
            parts: None,
        };
    }
    let answer = stack.submit(user, &body).await;
    let accepted = begun.elapsed();
    let id = answer["execId"].as_str().expect("an id");
    if learnt == Learnt::Waited {
        let path = user.path(&format!("/exec/{id}/output?wait=25"));
        let mut output = stack.get(&path).admin().send().await.json(200);
        while output["done"] != true {
            output = stack.get(&path).admin().send().await.json(200);
        }
        assert_eq!(output["exitCode"], 0, "{output}");
        let (whole, told) = (begun.elapsed(), now_ms());
        return Run {
            whole,
            accepted,
            parts: parts(&stack.exec_status(&answer).await, clock, told),
        };
    }
    loop {
        let status = stack.exec_status(&answer).await;
        if !status["completedAt"].is_null() {
            assert_eq!(status["exitCode"], 0, "{status}");
            return Run {
                whole: begun.elapsed(),
                accepted,
                parts: parts(&status, clock, now_ms()),
            };
        }
    }
}

fn parts(status: &Value, clock: f64, told: f64) -> Option<[f64; 4]> {
    let [created, started, completed] = [
        at(status, "createdAt")?,
        at(status, "startedAt")?,
        at(status, "completedAt")?,
    ];
    Some([
        created - clock,
        started - created,
        completed - started,
        told - completed,
    ])
}

/// `true`, started from here and waited for.
fn direct() -> Duration {
    let begun = Instant::now();
    let status = Command::new("/bin/true")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .status();
    assert!(status.expect("it starts").success());
    begun.elapsed()
}

fn sorted(mut times: Vec<Duration>) -> Vec<Duration> {
    times.sort_unstable();
    times
}

fn row(table: &mut Table, name: &str, times: &[Duration], base: Duration) {
    let (p50, p99) = (percentile(times, 0.5), percentile(times, 0.99));
    table.row([
        name.to_owned(),
        times.len().to_string(),
        format!("{:.2}", p50.as_secs_f64() * 1e3),
        format!("{:.2}", p99.as_secs_f64() * 1e3),
        format!("{:.1}", p50.as_secs_f64() / base.as_secs_f64()),
    ]);
}

async fn measure(stack: &Stack, user: &User, learnt: Learnt) -> Vec<Run> {
    for _ in 0..WARMING {
        run(stack, user, learnt).await;
    }
    let mut runs = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        runs.push(run(stack, user, learnt).await);
    }
    runs
}

#[allow(clippy::cast_precision_loss)] // A few hundred.
fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn main() -> ExitCode {
    drill::run("exec", &[], async |stack| {
        let user = stack.new_user().await;
        stack.awake(&user).await;
        let directly = sorted((0..ROUNDS).map(|_| direct()).collect());
        let base = percentile(&directly, 0.5);
        let mut table = Table::new(&[
            "from the request to the result of `true`",
            "times",
            "ms p50",
            "p99",
            "x direct",
        ]);
        row(&mut table, "started directly on this machine", &directly, base);
        let mut hop = Vec::new();
        for _ in 0..ROUNDS {
            let begun = Instant::now();
            stack.get("/api/super/users?limit=1").admin().send().await.expect(200);
            hop.push(begun.elapsed());
        }
        row(
            &mut table,
            "a read of the admin API and its database, for comparison",
            &sorted(hop),
            base,
        );
        let mut breakdown = Table::new(&[
            "mean ms",
            "request to commit",
            "commit to process",
            "the process",
            "its end to the answer",
            "(accepted after)",
        ]);
        let kinds = [
            (Learnt::Polled, "status polled without pause"),
            (Learnt::Waited, "output?wait=25"),
            (Learnt::Sync, "exec-sync"),
        ];
        for (learnt, name) in kinds {
            if !offered(stack, &user, learnt).await {
                println!("{name}: not offered");
                continue;
            }
            let runs = measure(stack, &user, learnt).await;
            row(
                &mut table,
                name,
                &sorted(runs.iter().map(|run| run.whole).collect()),
                base,
            );
            let parts: Vec<[f64; 4]> = runs.iter().filter_map(|run| run.parts).collect();
            if !parts.is_empty() {
                let part = |index: usize| {
                    format!(
                        "{:.2}",
                        mean(parts.iter().filter_map(|parts| parts.get(index).copied()))
                    )
                };
                let accepted = mean(runs.iter().map(|run| run.accepted.as_secs_f64() * 1e3));
                breakdown.row([
                    name.to_owned(),
                    part(0),
                    part(1),
                    part(2),
                    part(3),
                    format!("{accepted:.2}"),
                ]);
            }
        }
        println!("{table}\n{breakdown}");
    })
}

/// Whether the platform has this way yet.
async fn offered(stack: &Stack, user: &User, learnt: Learnt) -> bool {
    match learnt {
        Learnt::Polled => true,
        Learnt::Waited => {
            let answer = stack.submit(user, &json!({"command": "true"})).await;
            let path = user.path(&format!(
                "/exec/{}/output?wait=1",
                answer["execId"].as_str().expect("an id")
            ));
            stack.get(&path).admin().send().await.status == 200
        }
        Learnt::Sync => {
            stack
                .post(&user.path("/exec-sync"))
                .admin()
                .json(&json!({"command": "true"}))
                .send()
                .await
                .status
                == 200
        }
    }
}
