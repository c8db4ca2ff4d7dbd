//! KV fails (`scripts/build --induced-panic`).

use e2e_tests::flags::{ADMIN, GATEWAY, SEEN, UNHELD, percent};
use e2e_tests::hanging::Hanging;
use e2e_tests::induced_faults::InducedFaults;
use e2e_tests::launch::root;
use e2e_tests::load::{Caller, Load, Plan};
use e2e_tests::stack::{Stack, state_dir};

pub async fn kv_that_fails_on_every_call_fails_no_request() {
    if !root().join("workers/router/build-panic/index.js").exists() {
        panic!("scripts/build workers --induced-panic was not run");
    }
    let faults = InducedFaults::start();
    let mut flags: Vec<String> = ["--split", "--routers", "3", "--legacy"].map(String::from).into();
    flags.extend(faults.flags(&["router"]));
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let stack = Stack::start(&flags, &state_dir().expect("a folder")).await;
    let stack = stack.unwrap_or_else(|error| panic!("{error}"));
    faults.set(&["kv"]);
    stack.set_flag(GATEWAY, percent(50)).await;
    let people = (0..6).map(|_| stack.new_legacy_user());
    let mut callers: Vec<Caller> = people.map(|user| Caller::user(&user, "/_molt/boot")).collect();
    callers.push(Caller::admin("operator", &stack.ready.admin_secret, "/api/super/users"));
    callers.push(Caller::new("anybody", "/api/status"));
    let judged = Plan::new(&stack.ready.urls, callers, 60.0).judged(|answer| {
        let expected: &[u16] = if answer.headers.get("x-molt-backend").is_some_and(|by| by == "legacy") {
            &[200, 404]
        } else {
            &[200]
        };
        (!expected.contains(&answer.status)).then(|| "not what is expected".to_owned())
    });
    let load = Load::start(judged);
    let set_at = load.now();
    let version = stack.set_flag(ADMIN, percent(100)).await;
    load.until("every router obeys the flip", 6 * SEEN, |record| {
        let all = (0..3).all(|router| {
            let newest = |sample: &&e2e_tests::load::Sample| sample.flags_version == Some(version);
            record.of_router(router).samples.iter().any(|sample| newest(&sample))
        });
        all.then_some(())
    })
    .await;
    println!("the flip was seen within {:?}", load.now() - set_at);
    assert!(load.now() - set_at < SEEN);
    // Neither answers: what was known last holds.
    let hanging = Hanging::begin(&stack, "admin");
    let status =
        Load::start(Plan::new(&stack.ready.urls, vec![Caller::new("anybody", "/api/status")], 30.0).expecting(200));
    status
        .until("nobody has answered for a while", 6 * SEEN, |_| {
            (status.now() > 3 * SEEN).then_some(())
        })
        .await;
    for url in &stack.ready.urls {
        let flags = stack.call_at(url, "GET", "/api/status").send().await.json(200)["flags"].clone();
        assert_eq!(
            flags[ADMIN],
            serde_json::json!({"on": "all", "source": "last-known"}),
            "{flags}"
        );
        assert_eq!(flags["version"], version);
    }
    let alone = status.stop().await;
    println!("without the admin worker and KV: {alone}");
    alone.assert_all_good();
    assert!(alone.percentile(0.99) < UNHELD, "{alone}");
    drop(hanging);
    let record = load.stop().await;
    println!("{record}");
    // Calls that only the admin worker can answer waited for it, and were answered too.
    record.assert_all_good();
    assert!(faults.asked() > 0, "nobody looked for the fault");
    stack.stop().await.assert_clean();
}
