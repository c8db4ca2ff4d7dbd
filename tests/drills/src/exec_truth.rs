//! Every way in which a command ends, twenty times each, on stacks of three kinds: what is told, and how long after the truth.

use e2e_tests::drill;
use e2e_tests::load::{Table, seconds};
use e2e_tests::memory::Memory;
use e2e_tests::people::User;
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::truth::{self, Act, Case, Told};
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

const ROUNDS: usize = 20;

fn main() -> ExitCode {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROUNDS);
    drill::run_alone("exec-truth", async || {
        let mut sheet = Sheet::default();
        // What is known is shown after each part: all of it takes a quarter of an hour.
        one_process(rounds, &mut sheet).await;
        println!("{}", sheet.table());
        split(rounds, &mut sheet).await;
        println!("{}", sheet.table());
        restarts(rounds, &mut sheet).await;
        println!("{}", sheet.table());
        let untruths: Vec<&String> = sheet
            .rows
            .values()
            .flat_map(|told| told.iter().flat_map(|told| &told.untruths))
            .collect();
        assert!(untruths.is_empty(), "untrue: {untruths:#?}");
    })
}

/// What was told, by case in the order of their first appearance.
#[derive(Default)]
struct Sheet {
    order: Vec<&'static str>,
    rows: BTreeMap<&'static str, Vec<Told>>,
}

impl Sheet {
    fn add(&mut self, name: &'static str, told: Told) {
        if !self.order.contains(&name) {
            self.order.push(name);
        }
        for untruth in &told.untruths {
            println!("{name}: {untruth}");
        }
        self.rows.entry(name).or_default().push(told);
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&[
            "case",
            "times",
            "states",
            "exit codes",
            "signals",
            "told after s: p50",
            "max",
            "verdict",
        ]);
        for name in &self.order {
            let all = self.rows.get(name).map(Vec::as_slice).unwrap_or_default();
            let mut after: Vec<Duration> = all.iter().filter_map(|told| told.after).collect();
            after.sort_unstable();
            let true_ones = all.iter().filter(|told| told.untruths.is_empty()).count();
            let verdict = if true_ones == all.len() {
                "true".to_owned()
            } else {
                format!("{} UNTRUE", all.len() - true_ones)
            };
            table.row([
                (*name).to_owned(),
                all.len().to_string(),
                seen(all, "state"),
                seen(all, "exitCode"),
                seen(all, "signal"),
                seconds(after.get(after.len() / 2).copied()),
                seconds(after.last().copied()),
                verdict,
            ]);
        }
        table
    }
}

/// The values of a field, and how often each was told.
fn seen(all: &[Told], field: &str) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for told in all {
        let value = match &told.status[field] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        *counts.entry(value).or_default() += 1;
    }
    let counts: Vec<String> = counts
        .iter()
        .map(|(value, count)| format!("{value} x{count}"))
        .collect();
    counts.join(", ")
}

async fn awake(stack: &Stack) -> User {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    user
}

async fn start(flags: &[&str]) -> Stack {
    let state = state_dir().expect("a folder");
    Stack::start(flags, &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn one_process(rounds: usize, sheet: &mut Sheet) {
    let stack = start(&["--workers-build", "build-panic"]).await;
    let user = awake(&stack).await;
    for _ in 0..rounds {
        let cases = truth::ordinary();
        let all = join_all(cases.iter().map(|case| stack.try_case(&user, case))).await;
        cases
            .iter()
            .zip(all)
            .for_each(|(case, told)| sheet.add(case.name, told));
        for case in [truth::serve_killed(), truth::evicted()] {
            sheet.add(case.name, stack.try_case(&user, &case).await);
        }
    }
    assert_eq!(stack.generation(&user).await, 1, "one sandbox went through all of that");
    match Memory::of(&stack, &user).await {
        Some(memory) => {
            for _ in 0..rounds {
                memory.leave(64 << 20);
                let (case, before) = (truth::out_of_memory(), memory.killed());
                let mut told = stack.try_case(&user, &case).await;
                if memory.killed() == before {
                    told.untruths.push("the kernel killed nothing".to_owned());
                }
                sheet.add(case.name, told);
            }
        }
        None => println!("SKIPPED: out of memory: nothing bounds the memory of a sandbox on this machine"),
    }
    for _ in 0..rounds {
        // Each needs a sandbox that is not there yet.
        let user = stack.new_user().await;
        let case = Case::new(
            "cancelled before it runs",
            "sleep 600",
            Act::CancelBeforeItRuns,
            &["cancelled"],
        );
        sheet.add(case.name, stack.try_case(&user, &case).await);
    }
    let user = awake(&stack).await;
    for _ in 0..rounds {
        stack.awake(&user).await;
        let case = truth::init_killed();
        sheet.add(case.name, stack.try_case(&user, &case).await);
    }
    stack.stop().await.assert_clean();
}

async fn split(rounds: usize, sheet: &mut Sheet) {
    let stack = start(&["--split"]).await;
    let user = awake(&stack).await;
    for _ in 0..rounds {
        let case = truth::admin_killed();
        sheet.add(case.name, stack.try_case(&user, &case).await);
    }
    stack.stop().await.assert_clean();
}

/// The whole stack is stopped, or killed, and started again.
async fn restarts(rounds: usize, sheet: &mut Sheet) {
    let state = state_dir().expect("a folder");
    let started = async || {
        Stack::start(&[], &state)
            .await
            .unwrap_or_else(|error| panic!("{error}"))
    };
    let mut stack = started().await;
    for round in 0..rounds {
        let user = stack.seeded("Ada");
        stack.awake(&user).await;
        // An orderly stop leaves the sandbox the time to say that it stopped the command.
        let (case, kill) = if round % 2 == 0 {
            (
                Case::new("stack killed and restarted", "sleep 600", Act::Nothing, &["lost"]),
                true,
            )
        } else {
            (
                Case::new(
                    "stack stopped and restarted",
                    "sleep 600",
                    Act::Nothing,
                    &["lost", "cancelled"],
                ),
                false,
            )
        };
        let bystander = stack.submit(&user, &case.body).await;
        stack.exec_reaches(&bystander, "running").await;
        if kill {
            stack.kill().await;
        } else {
            stack.stop().await.assert_clean();
        }
        stack = started().await;
        sheet.add(case.name, stack.told_later(&bystander, &case).await);
    }
    stack.stop().await.assert_clean();
}
