//! What a command writes as server-sent events: byte for byte whoever watches, however slowly, and wherever he comes back.

use super::output::path;
use e2e_tests::call::Call;
use e2e_tests::harness::Group;
use e2e_tests::people::User;
use e2e_tests::stack::Stack;
use e2e_tests::wait::{until, within};
use e2e_tests::watch::{Connection, Watch};
use futures_util::StreamExt;
use futures_util::future::join_all;
use libtest_mimic::Trial;
use molt_common::api::exec::ExecEnd;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(100);

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![
        group.shared(
            "events::resumed_at_every_event_the_bytes_are_the_same",
            resumed_at_every_event_the_bytes_are_the_same,
        ),
        group.shared("events::twenty_watchers_see_the_same", twenty_watchers_see_the_same),
        group.shared("events::a_slow_reader_gets_everything", a_slow_reader_gets_everything),
        group.shared(
            "events::silence_is_broken_by_a_heartbeat",
            silence_is_broken_by_a_heartbeat,
        ),
        group.shared("events::who_goes_away_makes_room", who_goes_away_makes_room),
        group.shared("events::bad_questions_are_named", bad_questions_are_named),
    ]
}

fn events<'a>(stack: &'a Stack, path: &str) -> Call<'a> {
    stack.get(path).admin()
}

/// Runs a command and watches it to its end.
async fn watched(stack: &Stack, user: &User, body: &Value) -> (String, Watch) {
    let accepted = stack.submit(user, body).await;
    let path = path(user, &accepted);
    let mut watch = Watch::default();
    watch.to_the_end(|| events(stack, &path), LIMIT).await;
    watch.assert_faultless();
    (path, watch)
}

async fn resumed_at_every_event_the_bytes_are_the_same(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    // Text that is cut inside characters, and bytes that are none, by turns on both streams.
    let command = "head -c 600 /dev/urandom > ~/bytes; for i in 1 2 3; do printf 'a\\342\\202'; sleep 0.2; printf '\\254b'; \
                   printf '\\360\\235' >&2; sleep 0.2; printf '\\204\\236' >&2; cat ~/bytes; cat ~/bytes >&2; done; printf '\\303'";
    let (path, first) = watched(&stack, &user, &json!({"command": command})).await;
    let base64 = stack.sh(&user, "base64 -w0 ~/bytes").await;
    let bytes = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD
            .decode(base64.trim())
            .expect("base64")
    };
    let mut stdout: Vec<u8> = Vec::new();
    let mut stderr: Vec<u8> = Vec::new();
    for _ in 0..3 {
        stdout.extend("a€b".as_bytes());
        stderr.extend("𝄞".as_bytes());
        stdout.extend(&bytes);
        stderr.extend(&bytes);
    }
    stdout.push(0xc3);
    assert!(first.stdout == stdout && first.stderr == stderr, "{}", first.summary());
    let end: ExecEnd = serde_json::from_value(first.end.clone().expect("an end")).expect("an ExecEnd");
    assert_eq!(
        (end.state.word(), end.exit_code, end.truncated),
        ("succeeded", Some(0), false)
    );
    assert_eq!(
        (end.stdout_bytes, end.stderr_bytes),
        (stdout.len() as u64, stderr.len() as u64)
    );
    let states: Vec<_> = first
        .states
        .iter()
        .filter_map(|state| state["state"].as_str())
        .collect();
    assert_eq!(states.last(), Some(&"succeeded"), "{states:?}");

    // Cut off after any number of bytes, again and again, he has the same in the end.
    for step in [1_usize, 97, 230, 555] {
        let mut watch = Watch::default();
        let (mut cut, begun) = (150, Instant::now());
        while watch.end.is_none() {
            assert!(begun.elapsed() < LIMIT, "{}", watch.summary());
            let before = watch.last_event_id.clone();
            watch.listen(events(&stack, &path), Some(cut)).await;
            // An event that is longer than the cut would be cut for ever.
            cut = if watch.last_event_id == before {
                cut * 2
            } else {
                150 + step
            };
        }
        watch.assert_faultless();
        assert!(watch.stdout == stdout && watch.stderr == stderr, "{}", watch.summary());
        // The last id says that there is nothing more.
        assert_eq!(
            watch.listen(events(&stack, &path), None).await,
            Connection::Answered(204)
        );
    }
}

async fn twenty_watchers_see_the_same(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    stack.awake(&user).await;
    let command = "for i in $(seq 1 40); do seq $i 500; echo $i é >&2; sleep 0.05; done; exit 9";
    let accepted = stack.submit(&user, &json!({"command": command})).await;
    let path = path(&user, &accepted);
    let watches = join_all((0..20).map(|_| async {
        let mut watch = Watch::default();
        watch.to_the_end(|| events(&stack, &path), LIMIT).await;
        watch.assert_faultless();
        watch
    }))
    .await;
    let expected: String = (1..=40)
        .flat_map(|from| (from..=500).map(|number| format!("{number}\n")))
        .collect();
    for watch in &watches {
        // More than the limit is written: what was passed before it was dropped is told, the rest is said.
        assert_eq!(
            watch.stdout.len() as u64 + watch.gap_bytes,
            expected.len() as u64,
            "{}",
            watch.summary()
        );
        assert_eq!(watch.gap_bytes, 0, "80 KB are kept: {}", watch.summary());
        assert!(watch.text() == expected, "{}", watch.summary());
        assert_eq!(watch.stderr, watches[0].stderr);
        assert_eq!(watch.end.as_ref().map(|end| &end["exitCode"]), Some(&json!(9)));
    }
}

async fn a_slow_reader_gets_everything(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    let body = json!({"command": "seq 1 200000", "maxOutputBytes": 4_194_304});
    let accepted = stack.submit(&user, &body).await;
    stack.outcome(&accepted).await;
    let response = events(&stack, &path(&user, &accepted))
        .header("accept", "text/event-stream")
        .open()
        .await;
    let mut body = response.bytes_stream();
    let (mut text, mut reads) = (Vec::new(), 0_u32);
    while let Some(part) = within("the stream goes on", LIMIT, body.next()).await {
        text.extend(part.expect("bytes"));
        reads += 1;
        // He is slow for a while; his pace is what is tested, nothing is waited for.
        if reads < 20 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    let text = String::from_utf8(text).expect("UTF-8");
    let told: String = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| {
            serde_json::from_str::<Value>(data).expect("JSON")["text"]
                .as_str()
                .map(str::to_owned)
        })
        .collect();
    let expected: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    assert!(told == expected, "{} of {} bytes", told.len(), expected.len());
    assert!(text.contains("event: end\n"));
}

async fn silence_is_broken_by_a_heartbeat(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    stack.awake(&user).await;
    let accepted = stack
        .submit(&user, &json!({"command": "sleep 100", "timeoutMs": 120_000}))
        .await;
    stack.exec_reaches(&accepted, "running").await;
    let path = path(&user, &accepted);
    let response = events(&stack, &path).header("accept", "text/event-stream").open().await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert!(
        response.headers()["cache-control"]
            .to_str()
            .expect("text")
            .contains("no-store")
    );
    assert!(response.headers().get("content-encoding").is_none());
    e2e_tests::reply::assert_signed(response.headers(), 200);
    let mut body = response.bytes_stream();
    let mut text = String::new();
    within("a heartbeat", Duration::from_secs(15), async {
        while !text.contains("\n: ") {
            text.push_str(&String::from_utf8_lossy(
                &body.next().await.expect("goes on").expect("bytes"),
            ));
        }
    })
    .await;
    assert!(text.starts_with("retry: 1000\n\nevent: state\n"), "{text}");
    // It ends with the command, at once.
    stack.cancel(&accepted).await;
    within("the end", Duration::from_secs(30), async {
        while let Some(part) = body.next().await {
            text.push_str(&String::from_utf8_lossy(&part.expect("bytes")));
        }
    })
    .await;
    assert!(text.contains("id: 0-0-end\nevent: end\n"), "{text}");
    assert!(text.contains("\"state\":\"cancelled\""), "{text}");
}

async fn who_goes_away_makes_room(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    stack.awake(&user).await;
    let accepted = stack
        .submit(&user, &json!({"command": "sleep 300", "timeoutMs": 400_000}))
        .await;
    stack.exec_reaches(&accepted, "running").await;
    let path = path(&user, &accepted);
    let open = || async {
        let response = events(&stack, &path).header("accept", "text/event-stream").open().await;
        (response.status() == 200).then_some(response)
    };
    let mut streams = Vec::new();
    for _ in 0..32 {
        streams.push(open().await.expect("32 may follow a command"));
    }
    let refused = events(&stack, &path).header("accept", "text/event-stream").send().await;
    refused.problem(429, "too_many_streams");
    assert!(refused.header("retry-after").parse::<u32>().is_ok());
    // Reading without events goes on, and so does another command.
    stack.get(&path).admin().send().await.expect(200);
    drop(streams);
    until("who went away is forgotten", Duration::from_secs(45), async || {
        open().await
    })
    .await;
    stack.cancel(&accepted).await;
}

async fn bad_questions_are_named(stack: Arc<Stack>) {
    let user = stack.seeded("Ada");
    let (path, watch) = watched(&stack, &user, &json!({"command": "echo 1; echo 2 >&2"})).await;
    assert_eq!((watch.text().as_str(), watch.stderr.as_slice()), ("1\n", &b"2\n"[..]));
    for bad in ["", "1", "x-y", "0-0-END", "0-0-end-end", "3-0", "0-3-end"] {
        let call = events(&stack, &path)
            .header("accept", "text/event-stream")
            .header("last-event-id", bad);
        call.send().await.names_field("Last-Event-ID");
    }
    // What a browser sends when it comes back counts more than the URL that it began with.
    let both = events(&stack, &format!("{path}?after=0-0")).header("accept", "text/event-stream");
    let text = both.header("last-event-id", "2-0").send().await.text();
    assert!(
        !text.contains("\"stdout\",\"at\"") && text.contains("id: 2-2-end\n"),
        "{text}"
    );
    let after = events(&stack, &format!("{path}?after=2-0"))
        .header("accept", "text/event-stream")
        .send()
        .await
        .text();
    assert_eq!(after, text);
    let head = stack
        .call("HEAD", &path)
        .admin()
        .header("accept", "text/event-stream")
        .send()
        .await;
    assert_eq!(
        (head.status, head.header("content-type"), head.body.len()),
        (200, "text/event-stream", 0)
    );
}
