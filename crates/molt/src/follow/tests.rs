//! Following a command over connections that break in every way.

use super::scripted::{Answer, Asked, Server};
use super::{Ending, Follower, Interrupts, OnInterrupt, Outcome, Pace, Patience, Sink, Target};
use crate::client::{Client, ClientError};
use crate::console::Console;
use molt_common::api::JobState;
use molt_common::id::{ExecId, UserId};
use molt_common::output::{OutputCursor, StreamName};
use serde_json::json;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

#[derive(Default)]
struct Kept {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    breaks_after: Option<usize>,
}

impl Sink for Kept {
    fn write(&mut self, stream: StreamName, bytes: &[u8]) -> io::Result<()> {
        if self.breaks_after.is_some_and(|most| self.stdout.len() >= most) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        match stream {
            StreamName::Stdout => self.stdout.extend(bytes),
            StreamName::Stderr => self.stderr.extend(bytes),
        }
        Ok(())
    }

    fn is_terminal(&self, _: StreamName) -> bool {
        false
    }
}

fn target() -> Target {
    Target {
        user: UserId::parse("ada00000-0000-4000-8000-000000000001").unwrap(),
        exec_id: ExecId::parse("exec_1").unwrap(),
    }
}

/// A test that hangs says nothing.
const LIMIT: Duration = Duration::from_secs(30);

fn follow_into(server: &Server, mut kept: Kept) -> (Kept, Result<Outcome, ClientError>) {
    let (sender, receiver) = channel();
    let url = server.url.clone();
    thread::spawn(move || {
        let outcome = run(&url, &mut kept);
        let _ = sender.send((kept, outcome));
    });
    let outcome = receiver.recv_timeout(LIMIT);
    outcome.unwrap_or_else(|_| {
        let asked = server.asked();
        panic!("no outcome after {} requests, the last {:?}", asked.len(), asked.last())
    })
}

fn run(url: &str, kept: &mut Kept) -> Result<Outcome, ClientError> {
    let client = Client::with_secret(url, "0123456789abcdef0123").unwrap();
    let pace = Pace {
        silence: Duration::from_secs(1),
        patience: Patience::new(Duration::from_millis(1), Duration::from_millis(4)),
    };
    let (mut console, mut interrupts) = (Console::mute(), Interrupts::never(OnInterrupt::Ask));
    let from = OutputCursor::default();
    Follower::new(&client, &target(), from, kept, &mut console, &mut interrupts, pace).run()
}

fn follow(server: &Server) -> (Kept, Outcome) {
    let (kept, outcome) = follow_into(server, Kept::default());
    (kept, outcome.unwrap())
}

fn ended(state: JobState, exit_code: Option<i32>) -> Outcome {
    Outcome::Ended(Ending {
        state,
        exit_code,
        signal: None,
        error: None,
    })
}

const END: &str = r#"{"execId":"exec_1","state":"failed","exitCode":7,"signal":null}"#;

/// The whole stream of a command, from any position on: text, bytes that are none, a gap, both streams.
fn events(from: OutputCursor) -> String {
    let pieces: [(StreamName, u64, serde_json::Value, u64); 6] = [
        (StreamName::Stdout, 0, json!({"text": "one\ntwö\n"}), 9),
        (StreamName::Stderr, 0, json!({"text": "warning: \u{1f980}\n"}), 14),
        (StreamName::Stdout, 9, json!({"base64": "/wD+"}), 3),
        (StreamName::Stdout, 12, json!({"gapBytes": 1_000}), 1_000),
        (StreamName::Stdout, 1_012, json!({"text": "last"}), 4),
        (StreamName::Stderr, 14, json!({"text": "done\r\n"}), 6),
    ];
    let mut cursor = from;
    let mut text = ": here\nretry: 1000\n\nevent: state\ndata: {\"state\":\"running\"}\n\n".to_owned();
    for (stream, at, mut chunk, length) in pieces {
        if cursor.of(stream) >= at + length {
            continue;
        }
        cursor.set(stream, at + length);
        let name = if chunk.get("gapBytes").is_some() {
            "gap"
        } else {
            stream.word()
        };
        chunk["stream"] = json!(stream);
        chunk["at"] = json!(at);
        text.push_str(&format!("id: {cursor}\nevent: {name}\ndata: {chunk}\n\n"));
    }
    text + &format!("id: {cursor}-end\nevent: end\ndata: {END}\n\n")
}

fn position(asked: &Asked) -> OutputCursor {
    asked.last_event_id.as_deref().expect("a position").parse().unwrap()
}

fn assert_exact(kept: &Kept) {
    assert_eq!(
        kept.stdout,
        [b"one\ntw\xc3\xb6\n".as_slice(), &[255, 0, 254], b"last"].concat()
    );
    assert_eq!(kept.stderr, "warning: \u{1f980}\ndone\r\n".as_bytes());
}

#[test]
fn the_stream_is_passed_on_exactly() {
    let server = Server::start(|_, asked| Answer::events(&events(position(asked)), usize::MAX));
    let (kept, outcome) = follow(&server);
    assert_exact(&kept);
    assert_eq!(outcome, ended(JobState::Failed, Some(7)));
    let asked = server.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].line.as_str(), asked[0].accept.as_str()),
        (format!("GET {}", target().output()).as_str(), "text/event-stream")
    );
}

/// The first connection is cut after n bytes, for each n that there is; the rest comes over a whole one.
#[test]
fn cut_anywhere_each_byte_is_passed_on_once() {
    let whole = events(OutputCursor::default());
    for most in (0..whole.len()).filter(|most| whole.is_char_boundary(*most)) {
        let server = Server::start(move |before, asked| {
            let most = if before == 0 { most } else { usize::MAX };
            Answer::events(&events(position(asked)), most)
        });
        let (kept, outcome) = follow(&server);
        assert_exact(&kept);
        assert_eq!(outcome, ended(JobState::Failed, Some(7)), "cut after {most}");
        let end_was_told = server.asked().len() == 1;
        assert!(
            !end_was_told || whole[..most].contains("event: end"),
            "cut after {most}"
        );
    }
}

/// Each connection gets only a little further than what leads up to its first event.
#[test]
fn cut_again_and_again_it_comes_to_the_end() {
    let server = Server::start(|before, asked| {
        let whole = events(position(asked));
        let most = (60 + before * 7) % 260;
        let most = (0..=most).rev().find(|most| whole.is_char_boundary(*most)).unwrap();
        Answer::events(&whole, most)
    });
    let (kept, outcome) = follow(&server);
    assert_exact(&kept);
    assert_eq!(outcome, ended(JobState::Failed, Some(7)));
    assert!(server.asked().len() > 5, "{}", server.asked().len());
}

#[test]
fn repeated_events_are_passed_on_once() {
    // A server that takes no notice of the position.
    let whole = events(OutputCursor::default());
    let server = Server::start(move |before, _| Answer::events(&whole, 250 + 150 * before));
    let (kept, outcome) = follow(&server);
    assert_exact(&kept);
    assert_eq!(outcome, ended(JobState::Failed, Some(7)));
}

#[test]
fn troubles_of_the_server_are_waited_out() {
    let server = Server::start(|before, asked| match before {
        0 => Answer::json("500 Internal Server Error", "oops"),
        1 => Answer::json("503 Service Unavailable", "<html>"),
        2 => Answer::json("429 Too Many Requests", "{}"),
        3 => Answer::bytes(Vec::new()),
        4 => Answer::bytes(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec()),
        _ => Answer::events(&events(position(asked)), usize::MAX),
    });
    let (kept, outcome) = follow(&server);
    assert_exact(&kept);
    assert_eq!(outcome, ended(JobState::Failed, Some(7)));
    assert_eq!(server.asked().len(), 6);
}

#[test]
fn a_refusal_ends_it() {
    for (status, code) in [
        (401, "admin_auth_missing"),
        (403, "scope_missing"),
        (404, "unknown_exec"),
    ] {
        let server = Server::start(move |_, _| {
            let problem = molt_common::problem::Problem::new(status, code, "No.");
            Answer::json(&format!("{status} No"), &serde_json::to_string(&problem).unwrap())
        });
        let error = follow_into(&server, Kept::default()).1.unwrap_err().to_string();
        assert!(error.contains(code), "{error}");
        assert!(server.asked().len() <= 2, "it is not asked again and again");
    }
}

fn page(chunks: &serde_json::Value, cursor: &str, done: bool) -> String {
    let (state, code) = if done {
        ("succeeded", json!(0))
    } else {
        ("running", json!(null))
    };
    json!({"execId": "exec_1", "state": state, "status": "running", "exitCode": code, "signal": null, "error": null,
           "chunks": chunks, "cursor": cursor, "done": done, "stdoutBytes": 3, "stderrBytes": 0})
    .to_string()
}

#[test]
fn where_no_stream_comes_through_it_polls() {
    // Of the answer to a request for a stream comes nothing, its head alone, or something else.
    let held_back = |bytes: Vec<u8>| Answer {
        bytes,
        linger: Duration::from_secs(20),
    };
    let streams: [fn() -> Option<Vec<u8>>; 3] = [|| Some(Vec::new()), || Some(Answer::events("?", 0).bytes), || None];
    for stream in streams {
        let empty_ones = AtomicUsize::new(0);
        let server = Server::start(move |_, asked| {
            if asked.accept == "text/event-stream" {
                return stream().map_or_else(|| Answer::json("200 OK", "{}"), held_back);
            }
            let chunk = |at, text: &str| json!([{"stream": "stdout", "at": at, "text": text}]);
            let page = match asked.line.split_once('?').expect("a query").1 {
                "after=0-0&wait=25" => page(&chunk(0, "ab"), "2-0", false),
                "after=2-0&wait=25" if empty_ones.fetch_add(1, Ordering::SeqCst) < 3 => page(&json!([]), "2-0", false),
                // What was told before is not passed on again.
                "after=2-0&wait=25" => page(&chunk(1, "bc"), "3-0", true),
                query => panic!("{query}"),
            };
            Answer::json("200 OK", &page)
        });
        let (kept, outcome) = follow(&server);
        assert_eq!((kept.stdout.as_slice(), kept.stderr.len()), (b"abc".as_slice(), 0));
        assert_eq!(outcome, ended(JobState::Succeeded, Some(0)));
        assert_eq!(server.asked().len(), 6);
    }
}

#[test]
fn a_stream_that_falls_silent_is_opened_again() {
    let server = Server::start(|before, asked| {
        let whole = events(position(asked));
        if before == 0 {
            let mut answer = Answer::events(&whole, 200);
            answer.linger = Duration::from_secs(20);
            return answer;
        }
        Answer::events(&whole, usize::MAX)
    });
    let (kept, outcome) = follow(&server);
    assert_exact(&kept);
    assert_eq!(outcome, ended(JobState::Failed, Some(7)));
    assert!(server.asked().iter().all(|asked| asked.accept == "text/event-stream"));
}

#[test]
fn a_deployment_without_output_is_asked_for_the_status() {
    let server = Server::start(|before, asked| {
        if asked.line.ends_with("/output") {
            let problem = molt_common::problem::Problem::new(404, "not_found", "There is no such route.");
            return Answer::json("404 Not Found", &serde_json::to_string(&problem).unwrap());
        }
        let state = if before < 3 { "running" } else { "failed" };
        let status = json!({"execId": "exec_1", "state": state, "exitCode": if before < 3 { None } else { Some(7) },
                            "stdout": "out", "stderr": "err"});
        Answer::json("200 OK", &status.to_string())
    });
    let (kept, outcome) = follow(&server);
    assert_eq!(
        (kept.stdout.as_slice(), kept.stderr.as_slice()),
        (b"out".as_slice(), b"err".as_slice())
    );
    assert_eq!(outcome, ended(JobState::Failed, Some(7)));
}

#[test]
fn a_reader_that_went_away_ends_it() {
    let server = Server::start(|_, asked| Answer::events(&events(position(asked)), usize::MAX));
    let kept = Kept {
        breaks_after: Some(5),
        ..Kept::default()
    };
    assert_eq!(follow_into(&server, kept).1.unwrap(), Outcome::ReaderGone);
}
