//! KV fails on every call.

use e2e_tests::induced_faults::InducedFaults;
use e2e_tests::rate::{ADDRESS, Tally, address, burst, tally};
use e2e_tests::stack::{Stack, state_dir};
use e2e_tests::wait::until;
use std::time::Duration;

pub async fn no_request_fails_with_kv() {
    let faults = InducedFaults::start();
    faults.set(&["kv"]);
    let mut flags = faults.flags(&["router"]);
    flags.extend(["--var".into(), "router.LIMITS=test;page=60/60s".into()]);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let stack = Stack::start(&flags, &state_dir().expect("a folder"))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let user = stack.new_user().await;
    stack.awake(&user).await;
    // A page load at once, then more than is allowed: nothing but what the limit says.
    for reply in burst(40, |_| {
        stack.get("/echo").user(&user).header("sec-fetch-dest", "script")
    })
    .await
    {
        reply.expect(200);
    }
    let from = address();
    let expected = Tally {
        admitted: 60,
        refused: 40,
        failed: 0,
    };
    let seen = tally(&burst(100, |_| stack.get("/nothing").header(ADDRESS, &from)).await);
    assert_eq!(seen, expected);
    let sandbox = stack.ready.state_dir.join("logs");
    until("the fault was met and reported", Duration::from_secs(20), async || {
        let mut logs = std::fs::read_dir(&sandbox).ok()?.flatten();
        let told =
            logs.any(|log| std::fs::read_to_string(log.path()).is_ok_and(|text| text.contains("limits_not_shared")));
        (told && faults.asked() > 0).then_some(())
    })
    .await;
    stack.stop().await.assert_clean();
}
