//! 200 requests a second over three routers: a flip and a kill of a flag are obeyed by each within 5 s, a router that was idle for two minutes
//! obeys with its first request, and no request fails.

use e2e_tests::drill;
use e2e_tests::flags::{ADMIN, killed, percent};
use e2e_tests::flip::Flip;
use e2e_tests::load::{Caller, Load, Plan, Table, seconds};
use e2e_tests::stack::Stack;
use e2e_tests::wait::repeatedly;
use serde_json::Value;
use std::process::ExitCode;
use std::time::Duration;

/// Requests a second in all.
const RATE: f64 = 200.0;
/// The load runs for so long before and after each change.
const STEADY: Duration = Duration::from_secs(10);
const IDLE: Duration = Duration::from_secs(120);
/// Every second caller is an operator, whom the flag is about; the others are users, whom it is not.
const OPERATORS: [usize; 2] = [0, 2];

fn main() -> ExitCode {
    drill::run("flag-flip", &["--split", "--routers", "3", "--legacy"], async |stack| {
        stack.forget_flags().await;
        let mut table = Table::new(&[
            "change", "router 1", "router 2", "router 3", "requests", "failed", "p50 ms", "p99 ms",
        ]);
        let urls = &stack.ready.urls;
        let load = begin(stack, urls).await;
        let changes = [
            ("flip on", percent(100), ["legacy", "admin"]),
            ("kill", killed(), ["admin", "legacy"]),
            ("flip on again", percent(100), ["legacy", "admin"]),
        ];
        for (name, setting, sides) in changes {
            change(stack, &load, &mut table, name, setting, sides, urls.len()).await;
        }
        finish(load).await;

        let (idle, busy) = urls.split_last().expect("three routers");
        println!("{idle} is left idle for {} s", IDLE.as_secs());
        let load = begin(stack, busy).await;
        repeatedly(1, IDLE, async |_| {}).await;
        change(
            stack,
            &load,
            &mut table,
            "kill, router 3 idle",
            killed(),
            ["admin", "legacy"],
            busy.len(),
        )
        .await;
        let first = stack.call_at(idle, "GET", "/api/super/users").admin().send().await;
        println!(
            "the first answer of the idle router: {} by {}, flags {} from {}",
            first.status,
            first.backend(),
            first.header("x-molt-flags-version"),
            first.header("x-molt-flags-source")
        );
        assert_eq!(
            (first.status, first.backend()),
            (200, "legacy"),
            "the idle router does not obey at once"
        );
        finish(load).await;
        print!("Seconds from the change until each router was last asked and answered from the old side:\n{table}");
        stack.forget_flags().await;
    })
}

async fn begin(stack: &Stack, urls: &[String]) -> Load {
    let operator = || Caller::admin("operator", &stack.ready.admin_secret, "/api/super/users");
    let user = |name| Caller::user(&stack.seeded(name), "/echo");
    let callers = vec![operator(), user("Ada"), operator(), user("Ben")];
    let load = Load::start(Plan::new(urls, callers, RATE).expecting(200));
    steady(&load).await;
    load
}

async fn steady(load: &Load) {
    let from = load.now();
    load.until("it is steady", 2 * STEADY, |_| {
        (load.now() > from + STEADY).then_some(())
    })
    .await;
}

async fn change(
    stack: &Stack,
    load: &Load,
    table: &mut Table,
    name: &str,
    setting: Value,
    [old, new]: [&'static str; 2],
    routers: usize,
) {
    let from = load.now();
    let flip = Flip {
        flag: ADMIN,
        setting,
        old,
        new,
        callers: &OPERATORS,
    };
    let last = flip.make(stack, load, routers).await;
    steady(load).await;
    let during = load.record().since(from);
    let ms = |share: f64| during.percentile(share).as_millis().to_string();
    let of = |router: usize| {
        last.get(router)
            .map_or_else(|| "idle".to_owned(), |last| seconds(*last))
    };
    let counts = [during.samples.len(), during.failed().samples.len()].map(|count| count.to_string());
    table.row(
        [name.to_owned(), of(0), of(1), of(2)]
            .into_iter()
            .chain(counts)
            .chain([ms(0.5), ms(0.99)]),
    );
}

async fn finish(load: Load) {
    let record = load.stop().await;
    println!("{record}");
    record.assert_all_good();
    // The other class stayed where it was.
    let users = record.filter(|sample| !OPERATORS.contains(&sample.caller));
    assert_eq!(users.backends().into_keys().collect::<Vec<_>>(), ["legacy"]);
}
