use super::{Events, LastEvent, are_wanted};
use crate::api::exec::{ExecChange, JobState};
use crate::output::chunks::{Stretch, tell};
use crate::output::{OutputCursor, OutputPiece, StreamName};

#[test]
fn an_event_is_lines_that_nothing_in_it_can_break() {
    let stretch = Stretch {
        pieces: vec![OutputPiece {
            stream: StreamName::Stdout,
            at: 4,
            bytes: b"a\r\n\ndata: b\n\nid: 9\n".to_vec(),
        }],
        end: OutputCursor { stdout: 23, stderr: 0 },
        ..Stretch::default()
    };
    let mut events = Events::default();
    assert!(events.is_empty());
    for told in tell(&stretch, 1_000) {
        events.output(&told);
    }
    events.state(&ExecChange {
        state: JobState::Running,
        status: "running".into(),
        generation: Some(1),
        started_at: None,
        error: Some("two\nlines".into()),
    });
    let expected = concat!(
        "id: 4-0\nevent: gap\ndata: {\"stream\":\"stdout\",\"at\":0,\"gapBytes\":4}\n\n",
        "id: 23-0\nevent: stdout\ndata: {\"stream\":\"stdout\",\"at\":4,\"text\":\"a\\r\\n\\ndata: b\\n\\nid: 9\\n\"}\n\n",
        "event: state\ndata: {\"state\":\"running\",\"status\":\"running\",\"generation\":1,\"startedAt\":null,\"error\":\"two\\nlines\"}\n\n",
    );
    assert_eq!(events.into_text(), expected);
}

#[test]
fn a_last_event_is_a_position_or_the_end() {
    for (text, cursor, ended) in [
        ("0-0", (0, 0), false),
        ("512-7", (512, 7), false),
        ("3-4-end", (3, 4), true),
    ] {
        let last: LastEvent = text.parse().unwrap();
        assert_eq!(((last.cursor.stdout, last.cursor.stderr), last.ended), (cursor, ended));
        assert_eq!(last.to_string(), text);
    }
    for bad in [
        "",
        "end",
        "-end",
        "1-end",
        "1-1-",
        "1-1-END",
        "1-1-end-end",
        "1-1 -end",
        "1-1-end\n",
        "-1-1-end",
    ] {
        assert!(bad.parse::<LastEvent>().is_err(), "{bad:?}");
    }
}

#[test]
fn events_are_for_those_that_name_them() {
    for wanted in [
        "text/event-stream",
        "Text/Event-Stream; charset=utf-8",
        "text/event-stream, application/json",
        "text/html, text/event-stream;q=0.5",
        "application/json;q=0, text/event-stream",
    ] {
        assert!(are_wanted(wanted), "{wanted}");
    }
    for not in [
        "",
        "*/*",
        "text/*",
        "application/json",
        "application/json, text/event-stream",
        "text/event-stream;q=0",
        "text/event-stream; q=0.0, */*",
        "text/event-streams",
    ] {
        assert!(!are_wanted(not), "{not}");
    }
}
