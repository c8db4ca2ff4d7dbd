//! Twenty trees of processes that evade in every way, cancelled; twenty more, stopped at their time limit. Nothing of them is alive afterwards.

use e2e_tests::beside::percentile;
use e2e_tests::drill;
use e2e_tests::load::{Table, seconds};
use e2e_tests::tree::By;
use std::process::ExitCode;

const ROUNDS: usize = 20;

fn main() -> ExitCode {
    let rounds = std::env::args()
        .nth(1)
        .and_then(|text| text.parse().ok())
        .unwrap_or(ROUNDS);
    drill::run("exec-tree", &[], async |stack| {
        let user = stack.new_user().await;
        stack.awake(&user).await;
        let mut table = Table::new(&[
            "ended by",
            "times",
            "processes",
            "s to nothing alive: p50",
            "max",
            "/echo ms p50",
            "p99",
            "failed",
        ]);
        for (name, by) in [("DELETE", By::Cancel), ("time limit", By::Timeout)] {
            let felling = async {
                let mut all = Vec::new();
                for _ in 0..rounds {
                    all.push(stack.fell(&user, by).await);
                }
                all
            };
            let (all, echoes) = stack.beside_echoes(&user, felling).await;
            let mut took: Vec<_> = all.iter().map(|felled| felled.took).collect();
            took.sort_unstable();
            table.row([
                name.to_owned(),
                all.len().to_string(),
                all.iter()
                    .map(|felled| felled.processes)
                    .sum::<usize>()
                    .checked_div(all.len())
                    .unwrap_or(0)
                    .to_string(),
                seconds(Some(percentile(&took, 0.5))),
                seconds(took.last().copied()),
                echoes.percentile(0.5).as_millis().to_string(),
                echoes.percentile(0.99).as_millis().to_string(),
                format!("{} of {}", echoes.failed, echoes.times.len()),
            ]);
            assert_eq!(echoes.failed, 0, "the agent did not answer while {name} ended a tree");
        }
        assert_eq!(stack.generation(&user).await, 1);
        println!("{table}");
    })
}
