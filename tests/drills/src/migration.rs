//! Everybody from what ran before to the new workers and back, under load; then the same with a new path that breaks at 25 %.

use e2e_tests::drill;
use e2e_tests::induced_faults::InducedFaults;
use e2e_tests::migration::{Crowd, Journey};
use e2e_tests::operation::{CONTAINER_GATEWAY, NEW_ARCHITECTURE, Operation, ROLLBACK};
use e2e_tests::stack::{Stack, state_dir};
use std::process::ExitCode;
use std::time::Duration;

/// People who work meanwhile.
const SUBJECTS: usize = 40;
/// Requests a second of all of them.
const RATE: f64 = 100.0;
/// Seconds for which each step is watched.
const WATCH: &str = "10";
/// Until a script has ended.
const LIMIT: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let only = std::env::args().nth(1);
    let wanted = |part: &str| only.as_deref().is_none_or(|only| only == part);
    drill::run_alone("migration", async || {
        assert!(
            wanted("there") || wanted("half-way"),
            "there are two parts: there, half-way"
        );
        if wanted("there") {
            there_and_back().await;
        }
        if wanted("half-way") {
            half_way_and_back().await;
        }
    })
}

async fn start(flags: &[&str]) -> Stack {
    let state = state_dir().expect("a folder");
    Stack::start(flags, &state)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn there_and_back() {
    println!("there and back: {SUBJECTS} subjects, {RATE} requests a second");
    let stack = start(&["--legacy"]).await;
    let crowd = Crowd::gather(&stack, SUBJECTS);
    let journey = Journey::begin(&stack, &crowd, RATE).await;
    let watch = ["--watch", WATCH];
    journey.operate(NEW_ARCHITECTURE, &watch, LIMIT).await.ended_with(0);
    let probe = crowd.probe_file();
    let probe = ["--probe-token-file", probe.path().to_str().expect("a path")];
    let further = ["--probe-timeout", "180"];
    let options = [&watch[..], &probe, &further].concat();
    journey.operate(CONTAINER_GATEWAY, &options, LIMIT).await.ended_with(0);
    journey.all_are_with("container-gateway").await;
    let back = journey.now();
    let options = [&probe[..], &["--discard-disk", "--proof-timeout", "180"]].concat();
    let rolled_back = journey.operate(ROLLBACK, &options, LIMIT).await;
    rolled_back.ended_with(0);
    let took = rolled_back.event("rolled_back")["tookMs"].as_u64().expect("a time");
    println!("rolled back by {} in {took} ms", rolled_back.event("rolled_back")["by"]);
    journey.all_are_with("legacy").await;
    let record = journey.end().await;
    println!("{record}");
    record.assert_all_good();
    for (way, part) in [
        ("there", record.between(Duration::ZERO, back)),
        ("back", record.since(back)),
    ] {
        let flapped = part.flapped(&["legacy", "container-gateway", "admin"], 1);
        assert!(flapped.is_empty(), "{way}: these callers flapped: {flapped:?}");
        println!("{way}: nobody flapped");
    }
    stack.stop().await.assert_clean();
}

async fn half_way_and_back() {
    println!("half-way and back: the new path breaks at 25 %");
    let faults = InducedFaults::start();
    let flags = faults.flags(&["container-gateway"]);
    let flags: Vec<&str> = ["--legacy"]
        .into_iter()
        .chain(flags.iter().map(String::as_str))
        .collect();
    let stack = start(&flags).await;
    let crowd = Crowd::gather(&stack, SUBJECTS);
    let journey = Journey::begin(&stack, &crowd, RATE).await;
    let probe = crowd.probe_file();
    let probe = probe.path().to_str().expect("a path");
    let options = ["--watch", WATCH, "--discard-disk", "--probe-token-file", probe];
    let operation = Operation::start(&stack, CONTAINER_GATEWAY, &options);
    operation.told("probed", 25, LIMIT).await;
    let broken = journey.now();
    faults.set(&["gateway"]);
    let ended = operation.end(LIMIT).await;
    journey.tell(&ended);
    ended.ended_with(1);
    let undone = journey.now() - broken;
    println!(
        "undone by itself {:.1} s after it broke: {}",
        undone.as_secs_f64(),
        ended.event("ended")["why"]
    );
    journey.all_are_with("legacy").await;
    let record = journey.end().await;
    println!("{record}");
    let met = record.failed().sequences().len();
    println!("{met} of {SUBJECTS} subjects met the fault");
    assert!(met > 0, "nobody met the fault: it was none");
    assert!(met * 4 <= SUBJECTS, "more than a quarter met the fault");
    // A request that was under way then may have met it.
    let before = record.filter(|sample| sample.ended < broken);
    assert_eq!(
        before.failed().samples.len(),
        0,
        "nothing failed before: {:#?}",
        before.examples(5)
    );
    stack.stop().await.assert_clean();
}
