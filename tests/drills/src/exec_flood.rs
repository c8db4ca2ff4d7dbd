//! A lot at once: endless output with and without a watcher, 64 commands beside each other, 320 submissions. Memory stays flat, what is told is
//! true, and the user's agent goes on answering.

use e2e_tests::beside::Answers;
use e2e_tests::drill;
use e2e_tests::load::Table;
use e2e_tests::people::User;
use e2e_tests::processes;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use e2e_tests::watch::Watch;
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::fs;
use std::process::ExitCode;
use std::time::{Duration, Instant};

const FLOOD_S: u64 = 30;
const KEPT: u64 = 1 << 20;
const AT_ONCE: usize = 64;
const UNDER_WAY: usize = 64;
const QUEUED: usize = 256;
const LIMIT: Duration = Duration::from_secs(300);
/// What a process may grow by while it has long had everything that it keeps.
const GROWTH_MIB: f64 = 24.0;

fn main() -> ExitCode {
    drill::run("exec-flood", &[], async |stack| {
        let user = stack.new_user().await;
        stack.awake(&user).await;
        // What the runtime grows by under the echoes alone, which are asked beside everything.
        let silent = grown(&quiet(stack, &user).await);
        for watched in [false, true] {
            flood(stack, &user, watched, &silent).await;
        }
        at_once(stack, &user).await;
        in_line(stack).await;
        assert_eq!(stack.generation(&user).await, 1);
    })
}

/// Resident memory of all processes below `root` whose command line holds `name`, MiB.
fn resident(root: i32, name: &str) -> f64 {
    let members = processes::tree(root)
        .into_iter()
        .filter(|process| process.command.contains(name));
    let pages = members.filter_map(|process| {
        let text = fs::read_to_string(format!("/proc/{}/statm", process.pid)).ok()?;
        text.split_whitespace().nth(1)?.parse::<f64>().ok()
    });
    pages.sum::<f64>() * 4096.0 / f64::from(1 << 20)
}

/// Least squares over seconds: growth in MiB per minute.
#[allow(clippy::cast_precision_loss)] // A few dozen.
fn slope(samples: &[f64]) -> f64 {
    let count = samples.len() as f64;
    let mean_x = (count - 1.0) / 2.0;
    let mean_y = samples.iter().sum::<f64>() / count;
    let (mut above, mut below) = (0.0, 0.0);
    for (x, y) in samples.iter().enumerate() {
        above += (x as f64 - mean_x) * (y - mean_y);
        below += (x as f64 - mean_x).powi(2);
    }
    60.0 * above / below
}

fn echoes(answers: &Answers) -> String {
    let ms = |share| answers.percentile(share).as_millis();
    format!(
        "/echo p50 {} ms, p99 {} ms, {} failed of {}",
        ms(0.5),
        ms(0.99),
        answers.failed,
        answers.times.len()
    )
}

/// What is looked at: a name, below which process, and what its command line holds.
type Place = (&'static str, i32, &'static str);

async fn places(stack: &Stack, user: &User) -> [Place; 3] {
    let init = stack.engine.only(user).await;
    let workers = stack.ready.process("workers");
    [
        ("workerd", workers, "workerd serve"),
        ("sandboxd serve", init, "sandboxd serve"),
        ("shims", init, "sandboxd run-command"),
    ]
}

/// Samples of each place, one a second.
async fn sampled(places: &[Place]) -> Vec<Vec<f64>> {
    let mut samples: Vec<Vec<f64>> = vec![Vec::new(); places.len()];
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    for _ in 0..FLOOD_S - 2 {
        ticks.tick().await;
        for ((_, root, name), row) in places.iter().zip(&mut samples) {
            row.push(resident(*root, name));
        }
    }
    samples
}

/// How much each place has grown since the tenth second.
fn grown(samples: &[Vec<f64>]) -> Vec<f64> {
    let growth = |row: &Vec<f64>| row.last().copied().unwrap_or_default() - row.get(10).copied().unwrap_or_default();
    samples.iter().map(growth).collect()
}

fn memory_table(places: &[Place], samples: &[Vec<f64>]) -> Table {
    let mut table = Table::new(&["process", "MiB after 5 s", "at the end", "MiB per minute after 10 s"]);
    for ((name, ..), row) in places.iter().zip(samples) {
        let steady = row.get(10..).unwrap_or_default();
        let (early, last) = (
            row.get(5).copied().unwrap_or_default(),
            row.last().copied().unwrap_or_default(),
        );
        table.row([
            (*name).to_owned(),
            format!("{early:.1}"),
            format!("{last:.1}"),
            format!("{:.2}", slope(steady)),
        ]);
    }
    table
}

/// The same time with a command that says nothing.
async fn quiet(stack: &Stack, user: &User) -> Vec<Vec<f64>> {
    let places = places(stack, user).await;
    let accepted = stack
        .submit(
            user,
            &json!({"command": format!("sleep {FLOOD_S}; exit 3"), "timeoutMs": 120_000}),
        )
        .await;
    stack.exec_reaches(&accepted, "running").await;
    let (samples, answers) = stack.beside_echoes(user, sampled(&places)).await;
    stack.outcome(&accepted).await;
    println!(
        "a command that says nothing for {FLOOD_S} s\n{}{}\n",
        memory_table(&places, &samples),
        echoes(&answers)
    );
    samples
}

async fn flood(stack: &Stack, user: &User, watched: bool, silent: &[f64]) {
    let places = places(stack, user).await;
    let command = format!("timeout -s KILL {FLOOD_S} yes; exit 3");
    let body = json!({"command": command, "timeoutMs": 120_000, "maxOutputBytes": KEPT});
    let accepted = stack.submit(user, &body).await;
    let path = user.path(&format!("/exec/{}/output", accepted["execId"].as_str().expect("an id")));
    let mut watch = Watch::default();
    let watching = async {
        if watched {
            watch.to_the_end(|| stack.get(&path).admin(), LIMIT).await;
        }
    };
    let sampling = async {
        stack.exec_reaches(&accepted, "running").await;
        sampled(&places).await
    };
    let ((samples, ()), answers) = stack
        .beside_echoes(user, async { tokio::join!(sampling, watching) })
        .await;
    let status = stack.outcome(&accepted).await;
    let table = memory_table(&places, &samples);
    let told = status["stdout"].as_str().map_or(0, str::len);
    println!(
        "`yes` for {FLOOD_S} s, {}\n{table}{} bytes written, {told} in the status, truncated {}, exit code {}; {}\n",
        if watched { "watched" } else { "nobody watches" },
        status["stdoutBytes"],
        status["truncated"],
        status["exitCode"],
        echoes(&answers),
    );
    for ((((name, ..), row), growth), silent) in places.iter().zip(&samples).zip(grown(&samples)).zip(silent) {
        assert!(
            growth < silent.max(0.0) + GROWTH_MIB,
            "{name} grew by {growth:.1} MiB: {row:?}"
        );
        assert!(row.iter().any(|mib| *mib > 1.0), "{name} was not found");
    }
    assert_eq!(
        (&status["state"], &status["exitCode"], &status["truncated"]),
        (&json!("failed"), &json!(3), &json!(true))
    );
    let written = status["stdoutBytes"].as_u64().expect("a count");
    assert!(written > 10 * KEPT, "{written}");
    assert!(
        status["stdout"]
            .as_str()
            .is_some_and(|text| text.starts_with("y\ny\n") && text.ends_with("y\n")),
        "other bytes"
    );
    if watched {
        watch.assert_faultless();
        println!("the watcher: {}\n", watch.summary());
        let told = watch.stdout.len() as u64;
        assert_eq!(
            told + watch.gap_bytes,
            written,
            "every byte is told or said not to be kept"
        );
        assert!(
            watch
                .stdout
                .iter()
                .enumerate()
                .all(|(at, byte)| *byte == b"y\n"[at % 2] || watch.gap_bytes > 0),
            "other bytes"
        );
    }
    assert_eq!(answers.failed, 0);
}

async fn at_once(stack: &Stack, user: &User) {
    let begun = Instant::now();
    let running = join_all((0..AT_ONCE).map(async |number| {
        let command = format!(
            "echo out-{number}; echo err-{number} >&2; sleep 1; printf '%0*d' {} {number}; exit {number}",
            number + 1
        );
        stack
            .exec(user, &json!({"command": command, "timeoutMs": 120_000}))
            .await
    }));
    let (all, answers) = stack.beside_echoes(user, running).await;
    for (number, status) in all.iter().enumerate() {
        let out = format!("out-{number}\n{number:0width$}", width = number + 1);
        assert_eq!(
            (&status["exitCode"], &status["stdout"]),
            (&json!(number), &json!(out)),
            "{status}"
        );
        assert_eq!(status["stderr"], format!("err-{number}\n"), "{status}");
        assert_eq!(
            status["state"],
            if number == 0 { "succeeded" } else { "failed" },
            "{status}"
        );
    }
    println!(
        "{AT_ONCE} commands at once, each with its own output and exit code, in {:.1} s; {}\n",
        begun.elapsed().as_secs_f64(),
        echoes(&answers)
    );
    assert_eq!(answers.failed, 0);
}

/// More than may be under way wait for their turn, in order; more than may wait are refused.
async fn in_line(stack: &Stack) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let begun = Instant::now();
    let body = |number: usize| json!({"command": format!("echo {number} >> ~/begun; until [ -e ~/go ]; do sleep 1; done; exit {}", number % 100), "timeoutMs": 600_000});
    let mut accepted: Vec<Value> = Vec::new();
    for number in 0..UNDER_WAY + QUEUED {
        accepted.push(stack.submit(&user, &body(number)).await);
    }
    let submitted = begun.elapsed();
    let refused = stack.post(&user.path("/exec")).admin().json(&body(0)).send().await;
    refused.problem(429, "too_many_commands");
    assert!(
        refused.header("retry-after").parse::<u64>().is_ok_and(|s| s > 0),
        "{:?}",
        refused.headers
    );
    let first = accepted.get(..UNDER_WAY).expect("as many");
    join_all(first.iter().map(|accepted| stack.exec_reaches(accepted, "running"))).await;
    let states = join_all(accepted.iter().map(|accepted| stack.exec_status(accepted))).await;
    let running = states.iter().filter(|status| status["state"] == "running").count();
    let waiting = states.iter().filter(|status| status["state"] == "queued").count();
    assert_eq!((running, waiting), (UNDER_WAY, QUEUED), "under way and queued");
    // All places are taken, so no command of this sandbox could open the gate.
    let opened = Instant::now();
    let home = stack.engine.only(&user).await;
    fs::write(format!("/proc/{home}/root/home/agent/go"), b"").expect("the gate");
    let all = join_all(accepted.iter().enumerate().map(async |(number, accepted)| {
        let ended = until("it ends", LIMIT, async || {
            // The oldest results are forgotten once a hundred newer ones are there.
            let url = accepted["pollUrl"].as_str().expect("pollUrl");
            let reply = stack.get(url).admin().send().await;
            match reply.status {
                404 => Some(None),
                _ => Some(Some(reply.json(200)))
                    .filter(|status| status.as_ref().is_some_and(|status| !status["completedAt"].is_null())),
            }
        });
        (number, ended.await)
    }))
    .await;
    let known: Vec<(usize, Value)> = all
        .into_iter()
        .filter_map(|(number, status)| Some((number, status?)))
        .collect();
    for (number, status) in &known {
        assert_eq!(status["exitCode"], number % 100, "{status}");
    }
    let order = stack.sh(&user, "cat ~/begun").await;
    let order: Vec<usize> = order.lines().map(|line| line.parse().expect("a number")).collect();
    let mut once = order.clone();
    once.sort_unstable();
    assert_eq!(once, (0..UNDER_WAY + QUEUED).collect::<Vec<_>>(), "each ran once");
    let displaced = order
        .iter()
        .enumerate()
        .map(|(at, number)| at.abs_diff(*number))
        .max()
        .unwrap_or(0);
    assert!(displaced < UNDER_WAY, "one began {displaced} places away from its turn");
    println!(
        "{} submissions in {:.1} s: {running} under way, {waiting} queued, the next refused with 429 and Retry-After {}; \
         each ran once, at most {displaced} places from its turn, {} results read, all true, {:.1} s from the opened gate to the end of all",
        accepted.len(),
        submitted.as_secs_f64(),
        refused.header("retry-after"),
        known.len(),
        opened.elapsed().as_secs_f64(),
    );
}
