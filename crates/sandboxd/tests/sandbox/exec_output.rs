//! Output by cursor: while a command runs, after it, and across a restart of `serve`.

use std::time::{Duration, Instant};

use molt_common::control::{ExecPage, ExecState};
use molt_common::output::{OutputCursor, StreamName};
use nix::sys::signal::{Signal, kill};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::{Sandbox, error_of, eventually, request, shell};

async fn page(sandbox: &Sandbox, id: &str, query: &str) -> ExecPage {
    try_page(sandbox, id, query).await.unwrap()
}

async fn try_page(sandbox: &Sandbox, id: &str, query: &str) -> Option<ExecPage> {
    let path = format!("/v1/exec/{id}/output?{query}");
    let answer = sandbox.control(Method::GET, &path).send().await.ok()?;
    (answer.status() == StatusCode::OK).then_some(answer.json().await.ok()?)
}

/// All that a stream has, read in pages of this size; checks that offsets go on without a gap.
async fn read_all(sandbox: &Sandbox, id: &str, stream: StreamName, limit: usize) -> Vec<u8> {
    let (mut bytes, mut cursor) = (Vec::new(), OutputCursor::default());
    loop {
        let page = page(sandbox, id, &format!("after={cursor}&limitBytes={limit}")).await;
        assert!(page.pieces.iter().map(|piece| piece.bytes.len()).sum::<usize>() <= limit);
        for piece in page.pieces.iter().filter(|piece| piece.stream == stream) {
            assert_eq!(piece.at, bytes.len() as u64);
            bytes.extend_from_slice(&piece.bytes);
        }
        cursor = page.cursor;
        if !page.more {
            return bytes;
        }
    }
}

#[tokio::test]
async fn a_wait_for_output_ends_when_there_is_some_and_each_byte_is_told_once() {
    let sandbox = Sandbox::ready().await;
    let steps = "for i in 1 2 3; do while [ ! -e go-$i ]; do sleep 0.01; done; echo out-$i; echo err-$i >&2; done; \
                 while [ ! -e end ]; do sleep 0.01; done; exit 3";
    sandbox.start_exec(&shell("steps", steps)).await;
    let empty = page(&sandbox, "steps", "after=0-0").await;
    assert_eq!((empty.pieces.len(), empty.cursor.to_string().as_str()), (0, "0-0"));
    let mut cursor = empty.cursor;
    for step in 1..=3 {
        let wait = format!("after={cursor}&waitMs=10000");
        let (page, ()) = tokio::join!(page(&sandbox, "steps", &wait), async {
            std::fs::write(sandbox.home().join(format!("go-{step}")), "").unwrap();
        });
        assert!(!page.pieces.is_empty(), "it waited for output");
        assert_eq!(page.report.state, ExecState::Running);
        // The two streams need not arrive at once.
        let both = OutputCursor {
            stdout: step * 6,
            stderr: step * 6,
        };
        let mut text = String::from_utf8(page.pieces[0].bytes.clone()).unwrap();
        cursor = page.cursor;
        while cursor != both {
            let rest = self::page(&sandbox, "steps", &format!("after={cursor}&waitMs=10000")).await;
            text.push_str(std::str::from_utf8(&rest.pieces[0].bytes).unwrap());
            cursor = rest.cursor;
        }
        assert!(text.contains(&format!("-{step}\n")), "{text:?}");
    }
    let end = format!("after={cursor}&waitMs=10000");
    let (last, ()) = tokio::join!(page(&sandbox, "steps", &end), async {
        std::fs::write(sandbox.home().join("end"), "").unwrap();
    });
    assert_eq!((last.report.state, last.report.exit_code), (ExecState::Failed, Some(3)));
    assert_eq!((last.pieces.len(), last.cursor, last.more), (0, cursor, false));
}

#[tokio::test]
async fn a_wait_for_the_end_is_not_ended_by_output() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .start_exec(&shell(
            "talk",
            "echo a; while [ ! -e go ]; do echo b; sleep 0.01; done; echo z",
        ))
        .await;
    let begun = Instant::now();
    let early = page(&sandbox, "talk", "waitFor=end&waitMs=300").await;
    assert!(
        begun.elapsed() >= Duration::from_millis(300),
        "output did not end the wait"
    );
    assert!(early.report.state == ExecState::Running && !early.pieces.is_empty());
    let wait = format!("after={}&waitFor=end&waitMs=10000", early.cursor);
    let (end, ()) = tokio::join!(page(&sandbox, "talk", &wait), async {
        std::fs::write(sandbox.home().join("go"), "").unwrap();
    });
    assert_eq!(end.report.state, ExecState::Succeeded);
    assert!(begun.elapsed() < Duration::from_secs(8), "the end did");
    assert!(end.pieces[0].bytes.ends_with(b"z\n"));
}

#[tokio::test]
async fn what_has_ended_is_told_byte_for_byte_also_by_the_next_serve() {
    let sandbox = Sandbox::ready().await;
    // Every byte there is, many times; the checksum comes from the command itself.
    let command = "i=0; while [ $i -lt 40 ]; do awk 'BEGIN { for (b = 0; b < 256; b++) printf \"%c\", b }'; \
                   i=$((i+1)); done | tee copy; head -c 100000 /dev/urandom | tee noise >&2";
    sandbox
        .run(request(
            json!({ "execId": "raw", "command": command, "maxOutputBytes": 1_000_000, "env": { "LC_ALL": "C" } }),
        ))
        .await;
    let check = async |limit| {
        for (stream, file) in [(StreamName::Stdout, "copy"), (StreamName::Stderr, "noise")] {
            let written = std::fs::read(sandbox.home().join(file)).unwrap();
            assert!(!written.is_empty());
            assert!(
                read_all(&sandbox, "raw", stream, limit).await == written,
                "{file} by {limit}"
            );
        }
    };
    check(1_048_576).await;
    check(7_001).await;
    kill(sandbox.serve_pid(), Signal::SIGKILL).unwrap();
    eventually(|| async { try_page(&sandbox, "raw", "").await.map(drop) }).await;
    check(50_000).await;
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was_after_serve_was_killed() {
    let sandbox = Sandbox::ready().await;
    let command = "i=0; while [ $i -lt 300 ]; do echo line-$i; i=$((i+1)); sleep 0.01; done";
    sandbox.start_exec(&shell("lines", command)).await;
    let (mut text, mut cursor, mut kills) = (String::new(), OutputCursor::default(), 0);
    loop {
        let query = format!("after={cursor}&waitMs=1000");
        let page = eventually(|| async { try_page(&sandbox, "lines", &query).await }).await;
        for piece in &page.pieces {
            assert_eq!(piece.at, text.len() as u64);
            text.push_str(std::str::from_utf8(&piece.bytes).unwrap());
        }
        cursor = page.cursor;
        if page.report.state != ExecState::Running && !page.more {
            assert_eq!(page.report.state, ExecState::Succeeded);
            break;
        }
        if kills < 2 && text.len() > 500 * (kills + 1) {
            kills += 1;
            kill(sandbox.serve_pid(), Signal::SIGKILL).unwrap();
        }
    }
    assert_eq!(kills, 2);
    let expected: String = (0..300).map(|line| format!("line-{line}\n")).collect();
    assert_eq!(text, expected);
}

#[tokio::test]
async fn a_gap_shows_in_the_offsets() {
    let sandbox = Sandbox::ready().await;
    let command = "printf START; head -c 5000000 /dev/zero | tr '\\0' x; printf END";
    let limited = json!({ "execId": "gap", "command": command, "maxOutputBytes": 1000 });
    sandbox.run(request(limited)).await;
    let page = page(&sandbox, "gap", "").await;
    assert_eq!(page.pieces.len(), 2);
    assert_eq!((page.pieces[0].at, page.pieces[0].bytes.len()), (0, 500));
    assert_eq!((page.pieces[1].at, page.pieces[1].end()), (5_000_008 - 500, 5_000_008));
    assert!(page.pieces[0].bytes.starts_with(b"STARTx") && page.pieces[1].bytes.ends_with(b"xEND"));
    assert_eq!(
        (page.cursor.stdout, page.more, page.report.truncated),
        (5_000_008, false, true)
    );
}

#[tokio::test]
async fn readers_that_go_away_hold_nothing_up() {
    let sandbox = Sandbox::ready().await;
    sandbox
        .start_exec(&shell("quiet", "while [ ! -e go ]; do sleep 0.01; done; echo done"))
        .await;
    for _ in 0..200 {
        let path = "/v1/exec/quiet/output?waitMs=10000&waitFor=end";
        let gone = sandbox
            .control(Method::GET, path)
            .timeout(Duration::from_millis(5))
            .send()
            .await;
        assert!(gone.is_err(), "it waited");
    }
    // A shim with two hundred readers still in it would have their sockets open.
    let shim = sandbox.shim_pid();
    let sockets = || std::fs::read_dir(format!("/proc/{shim}/fd")).unwrap().count();
    eventually(|| async { (sockets() < 30).then_some(()) }).await;
    std::fs::write(sandbox.home().join("go"), "").unwrap();
    assert_eq!(sandbox.exec_ended("quiet").await.stdout, "done\n");
}

#[tokio::test]
async fn a_query_that_is_none_is_refused_by_name() {
    let sandbox = Sandbox::ready().await;
    for query in [
        "after=1",
        "waitMs=10001",
        "waitFor=x",
        "limitBytes=0",
        "limitBytes=1048577",
        "other=1",
    ] {
        let path = format!("/v1/exec/x/output?{query}");
        let (status, error) = error_of(sandbox.control(Method::GET, &path).send().await.unwrap()).await;
        assert_eq!(
            (status, error.code.as_str()),
            (StatusCode::BAD_REQUEST, "invalid_request"),
            "{query}"
        );
        assert!(
            error.error.starts_with(query.split('=').next().unwrap()),
            "{}",
            error.error
        );
    }
    let unknown = sandbox.control(Method::GET, "/v1/exec/x/output").send().await.unwrap();
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}
