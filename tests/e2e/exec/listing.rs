//! The list of a user's commands: pages, filters and statistics.

use e2e_tests::harness::Group;
use e2e_tests::stack::Stack;
use libtest_mimic::Trial;
use molt_common::api::exec::ExecList;
use serde_json::json;
use std::sync::Arc;

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared(
            "listing::pages_are_whole_and_newest_first",
            pages_are_whole_and_newest_first,
        ),
        group.shared("listing::bad_filters_are_named", bad_filters_are_named),
    ]
}

async fn pages_are_whole_and_newest_first(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let list = async |query: &str| -> ExecList {
        let answer = stack
            .get(&user.path(&format!("/exec?{query}")))
            .admin()
            .send()
            .await
            .json(200);
        serde_json::from_value(answer).expect("an ExecList")
    };
    let none = list("").await;
    assert!(
        none.execs.is_empty() && none.next_cursor.is_none() && none.stats.total == 0,
        "{none:?}"
    );
    let mut ids = Vec::new();
    for (command, ends) in [
        ("echo hi", "succeeded"),
        ("exit 3", "failed"),
        ("echo é >&2", "succeeded"),
        ("kill -9 $$", "failed"),
    ] {
        let ended = stack.exec(&user, &json!({"command": command})).await;
        assert_eq!(ended["state"], ends, "{ended}");
        ids.push(ended["execId"].as_str().expect("an id").to_owned());
    }
    ids.reverse();
    // 4 in pages of 1, 2, 3, 4 and 5: the last one says so, also when it is full.
    for limit in 1..=5_usize {
        let (mut seen, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = list(&format!("limit={limit}&cursor={cursor}")).await;
            pages += 1;
            assert!(page.execs.len() <= limit && page.stats.total == 4, "{page:?}");
            seen.extend(page.execs.into_iter().map(|exec| exec.exec_id.to_string()));
            match page.next_cursor {
                Some(next) => cursor = next,
                None => break,
            }
        }
        assert_eq!((&seen, pages), (&ids, 4_usize.div_ceil(limit)), "in pages of {limit}");
    }
    let all = list("").await;
    let killed = &all.execs[0];
    assert_eq!((killed.signal, killed.exit_code), (Some(9), None), "{killed:?}");
    assert_eq!((all.execs[1].stderr_bytes, all.execs[3].stdout_bytes), (3, 3));
    assert_eq!(
        (all.stats.completed, all.stats.errors, all.stats.output_bytes),
        (4, 0, 6),
        "{:?}",
        all.stats
    );
    assert!(
        all.stats.steps > 0 && all.stats.longest_step_ms <= 10_000,
        "{:?}",
        all.stats
    );
    let found = async |query: &str| -> Vec<String> {
        let page = list(query).await;
        page.execs.into_iter().map(|exec| exec.exec_id.to_string()).collect()
    };
    assert_eq!(found("state=failed").await, [ids[0].clone(), ids[2].clone()]);
    assert_eq!(found("state=failed&state=succeeded").await, ids);
    assert_eq!(found("state=lost,queued").await, Vec::<String>::new());
    assert_eq!(found("status=completed").await, ids);
    assert_eq!(found("status=error").await, Vec::<String>::new());
    let second = &all.execs[1].created_at;
    assert_eq!(found(&format!("since={second}")).await, ids[..2]);
    assert_eq!(found(&format!("until={second}")).await, ids[2..]);
}

async fn bad_filters_are_named(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("state=done", "state"),
        ("status=succeeded", "status"),
        ("since=yesterday", "since"),
        ("until=2026-13-01T00:00:00Z", "until"),
    ] {
        stack
            .get(&user.path(&format!("/exec?{query}")))
            .admin()
            .send()
            .await
            .names_field(field);
    }
}
