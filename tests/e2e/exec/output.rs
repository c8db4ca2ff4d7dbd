//! What a command wrote, read as JSON while it writes: byte for byte, by cursor, with waits that end in time.

use e2e_tests::harness::Group;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use libtest_mimic::Trial;
use molt_common::api::exec::ExecOutput;
use molt_common::output::{OutputCursor, StreamName};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(100);

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared(
            "output::any_bytes_come_back_with_any_limit",
            any_bytes_come_back_with_any_limit,
        ),
        group.shared(
            "output::a_wait_ends_when_there_is_something",
            a_wait_ends_when_there_is_something,
        ),
        group.shared(
            "output::a_cut_character_waits_for_its_rest",
            a_cut_character_waits_for_its_rest,
        ),
        group.shared("output::what_was_not_kept_is_said", what_was_not_kept_is_said),
        group.shared("output::bad_questions_are_named", bad_questions_are_named),
        group.shared(
            "output::what_is_another_users_is_not_there",
            what_is_another_users_is_not_there,
        ),
    ]
}

/// Where the output of an accepted command is.
pub fn path(user: &User, accepted: &serde_json::Value) -> String {
    user.path(&format!("/exec/{}/output", accepted["execId"].as_str().expect("an id")))
}

/// One page; `query` without the question mark.
async fn page(stack: &Stack, path: &str, query: &str) -> ExecOutput {
    let answer = stack.get(&format!("{path}?{query}")).admin().send().await.json(200);
    serde_json::from_value(answer).expect("an ExecOutput")
}

/// Both streams, read with this limit from the beginning to `done`; what was not kept is left out.
async fn whole(stack: &Stack, path: &str, limit: u64) -> ([Vec<u8>; 2], ExecOutput) {
    let (mut streams, mut cursor, begun) = ([Vec::new(), Vec::new()], OutputCursor::default(), Instant::now());
    loop {
        let page = page(stack, path, &format!("after={cursor}&wait=10&limit={limit}")).await;
        let mut told = 0;
        for chunk in &page.chunks {
            assert_eq!(
                chunk.at,
                cursor.of(chunk.stream),
                "nothing is left out without a word, or told twice"
            );
            let bytes = chunk.bytes().unwrap_or_default();
            told += bytes.len() as u64;
            cursor.set(
                chunk.stream,
                chunk.at + bytes.len() as u64 + chunk.gap_bytes.unwrap_or_default(),
            );
            streams[usize::from(chunk.stream == StreamName::Stderr)].extend(bytes);
        }
        assert!(told <= limit.max(4), "{told} bytes of {limit}");
        assert_eq!(page.cursor, cursor);
        if page.done {
            return (streams, page);
        }
        assert!(begun.elapsed() < LIMIT, "it is never done: {page:?}");
    }
}

async fn any_bytes_come_back_with_any_limit(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    // Bytes that are no text, and characters of two, three and four bytes, on both streams; what was written is kept beside it.
    let command = "cd $(mktemp -d); head -c 3000 /dev/urandom > r; printf '%0200d a\\303\\251\\342\\202\\254\\360\\235\\204\\236\\n' 7 > t; \
                   cat r t t > out; cat t r t > err; cat out; cat err >&2; base64 -w0 out > ~/out.64; base64 -w0 err > ~/err.64";
    let accepted = stack.submit(&user, &json!({"command": command})).await;
    let ended = stack.outcome(&accepted).await;
    assert_eq!(ended["exitCode"], 0, "{ended}");
    let path = path(&user, &accepted);
    let expected = stack.sh(&user, "cat ~/out.64; echo; cat ~/err.64").await;
    let mut expected = expected.lines().map(decoded);
    let expected = [expected.next().expect("out"), expected.next().expect("err")];
    for limit in [64, 200, 4_096, 1_048_576] {
        let (streams, last) = whole(&stack, &path, limit).await;
        assert!(streams == expected, "with a limit of {limit}");
        assert_eq!(
            (last.stdout_bytes, last.stderr_bytes),
            (expected[0].len() as u64, expected[1].len() as u64)
        );
        assert_eq!((last.exit_code, last.status.as_str()), (Some(0), "completed"));
    }
    // One byte at a time gives one character at a time.
    let first = page(&stack, &path, "limit=1").await;
    assert!(
        first.chunks.len() == 1 && first.cursor != OutputCursor::default() && !first.done,
        "{first:?}"
    );
}

fn decoded(base64: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD
        .decode(base64)
        .expect("base64")
}

async fn a_wait_ends_when_there_is_something(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    stack.awake(&user).await;
    let command = "echo one; while [ ! -e ~/go-on ]; do sleep 0.05; done; rm ~/go-on; echo two; exit 5";
    let accepted = stack.submit(&user, &json!({"command": command})).await;
    let path = path(&user, &accepted);
    let first = until("the first line", LIMIT, async || {
        let page = page(&stack, &path, "wait=5").await;
        (!page.chunks.is_empty()).then_some(page)
    })
    .await;
    assert_eq!((first.chunks[0].text.as_deref(), first.done), (Some("one\n"), false));
    // Nothing comes: the wait is over when it was to be.
    let begun = Instant::now();
    let nothing = page(&stack, &path, &format!("after={}&wait=2", first.cursor)).await;
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert!(
        nothing.chunks.is_empty() && nothing.cursor == first.cursor && !nothing.done,
        "{nothing:?}"
    );
    // Something comes: the wait ends long before.
    let begun = Instant::now();
    let query = format!("after={}&wait=25", first.cursor);
    let waiting = page(&stack, &path, &query);
    let going_on = stack.sh(&user, "touch ~/go-on");
    let (second, _) = tokio::join!(waiting, going_on);
    assert_eq!(second.chunks[0].text.as_deref(), Some("two\n"));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let (_, last) = whole(&stack, &path, 1_000).await;
    assert_eq!((last.exit_code, last.state.word()), (Some(5), "failed"));
}

async fn a_cut_character_waits_for_its_rest(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    stack.awake(&user).await;
    let command = "printf 'a\\342\\202'; while [ ! -e ~/rest ]; do sleep 0.05; done; rm ~/rest; printf '\\254\\342'";
    let accepted = stack.submit(&user, &json!({"command": command})).await;
    let path = path(&user, &accepted);
    let part = until("its first bytes", LIMIT, async || {
        let page = page(&stack, &path, "wait=5").await;
        (!page.chunks.is_empty()).then_some(page)
    })
    .await;
    assert_eq!(
        (part.cursor, part.stdout_bytes),
        (OutputCursor { stdout: 1, stderr: 0 }, 3),
        "{part:?}"
    );
    stack.sh(&user, "touch ~/rest").await;
    stack.outcome(&accepted).await;
    let rest = page(&stack, &path, &format!("after={}", part.cursor)).await;
    let said: Vec<_> = rest
        .chunks
        .iter()
        .map(|chunk| (chunk.text.as_deref(), chunk.base64.as_deref()))
        .collect();
    assert_eq!(
        said,
        [(Some("€"), None), (None, Some("4g=="))],
        "at the end it is told as it is"
    );
    assert!(rest.done);
}

async fn what_was_not_kept_is_said(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    let body = json!({"command": "seq 1 20000", "maxOutputBytes": 1000});
    let accepted = stack.submit(&user, &body).await;
    let ended = stack.outcome(&accepted).await;
    let all: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    let page = page(&stack, &path(&user, &accepted), "").await;
    let gap = page
        .chunks
        .iter()
        .find_map(|chunk| chunk.gap_bytes.map(|bytes| (chunk.at, bytes)));
    assert_eq!(gap, Some((500, all.len() as u64 - 1000)), "{page:?}");
    let texts: Vec<_> = page.chunks.iter().filter_map(|chunk| chunk.text.as_deref()).collect();
    assert_eq!(texts, [&all[..500], &all[all.len() - 500..]]);
    assert!(page.done && page.stdout_bytes == all.len() as u64);
    assert_eq!(ended["truncated"], true, "{ended}");
}

async fn bad_questions_are_named(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    let accepted = stack.submit(&user, &json!({"command": "echo 1"})).await;
    stack.outcome(&accepted).await;
    let path = path(&user, &accepted);
    for (query, field) in [
        ("after=1", "after"),
        ("after=3-0", "after"),
        ("after=0-1", "after"),
        ("after=0-0-end", "after"),
        ("wait=26", "wait"),
        ("wait=-1", "wait"),
        ("wait=1.5", "wait"),
        ("limit=0", "limit"),
        ("limit=1048577", "limit"),
        ("limit=", "limit"),
    ] {
        stack
            .get(&format!("{path}?{query}"))
            .admin()
            .send()
            .await
            .names_field(field);
    }
    // The very end is a position like any other.
    let end = page(&stack, &path, "after=2-0&wait=25").await;
    assert!(end.done && end.chunks.is_empty(), "{end:?}");
    let head = stack.call("HEAD", &format!("{path}?wait=25")).admin().send().await;
    assert!(head.status == 200 && head.body.is_empty());
    stack
        .call("PUT", &path)
        .admin()
        .send()
        .await
        .problem(405, "method_not_allowed");
    stack.get(&path).user(&user).send().await.expect(401);
}

async fn what_is_another_users_is_not_there(stack: Arc<Stack>) {
    let (ada, ben) = (stack.seeded("Ada"), stack.seeded("Ben"));
    let accepted = stack.submit(&ada, &json!({"command": "echo mine"})).await;
    stack.outcome(&accepted).await;
    let id = accepted["execId"].as_str().expect("an id");
    for (method, path) in [
        ("GET", format!("/exec/{id}/output")),
        ("GET", format!("/exec/{id}/status")),
        ("GET", format!("/exec/{id}")),
        ("DELETE", format!("/exec/{id}")),
        ("POST", format!("/exec/{id}/cancel")),
    ] {
        let problem = stack
            .call(method, &ben.path(&path))
            .admin()
            .send()
            .await
            .problem(404, "unknown_exec");
        assert_eq!(
            (&problem["found"], &problem["execId"]),
            (&json!(false), &json!(id)),
            "{method} {path}"
        );
        assert_eq!(
            (&problem["userId"], &problem["error"]),
            (&json!(ben.id), &json!("Exec result not found"))
        );
    }
    let events = stack.get(&ben.path(&format!("/exec/{id}/output"))).admin();
    events
        .header("accept", "text/event-stream")
        .send()
        .await
        .problem(404, "unknown_exec");
}
