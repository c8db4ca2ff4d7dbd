use super::{Accepted, Answer, Coding, LEAST, Treatment, asks_for_weakened, is_compressible, weakened};
use proptest::prelude::*;

fn favourite(header: &str) -> Option<Coding> {
    Accepted::parse(header).favourite()
}

const PAGE: Answer<'static> = Answer {
    status: 200,
    content_type: Some("text/html; charset=utf-8"),
    content_encoding: None,
    content_length: Some(LEAST),
    cache_control: None,
    hashed: false,
    ranged: false,
};

#[test]
fn the_clients_favourite_is_made_and_ours_among_equals() {
    for (header, expected) in [
        ("br, gzip, zstd", Some(Coding::Brotli)),
        ("gzip, zstd", Some(Coding::Zstd)),
        ("gzip;q=1, br;q=0.5", Some(Coding::Gzip)),
        ("GZip", Some(Coding::Gzip)),
        ("x-gzip", Some(Coding::Gzip)),
        ("*", Some(Coding::Brotli)),
        ("br;q=0, *", Some(Coding::Zstd)),
        ("identity, gzip", Some(Coding::Gzip)),
        ("deflate", None),
        ("br;q=0.5, identity", None),
        ("gzip;q=0", None),
        ("*;q=0", None),
        ("identity", None),
        ("", None),
        ("gzip;q=2", None),
        ("gzip;q=x", None),
        ("gzip;q=0.0001", None),
        ("gzip;level=9", None),
        ("gzip;q=1;q=0", None),
        ("gzip, gzip;q=0", None),
        ("gz ip", None),
    ] {
        assert_eq!(favourite(header), expected, "{header}");
    }
}

#[test]
fn a_client_that_asked_for_nothing_gets_nothing_compressed() {
    let none = Accepted::parse("identity");
    assert_eq!(PAGE.treatment(&none), Treatment::AsIs);
    for (name, coding) in [
        ("br", Coding::Brotli),
        ("gzip", Coding::Gzip),
        ("x-gzip", Coding::Gzip),
        ("zstd", Coding::Zstd),
        ("deflate", Coding::Deflate),
    ] {
        let coded = Answer {
            content_encoding: Some(name),
            ..PAGE
        };
        assert_eq!(coded.treatment(&none), Treatment::Undo(coding), "{name}");
        assert_eq!(coded.treatment(&Accepted::parse(name)), Treatment::AsIs, "{name}");
    }
}

#[test]
fn what_must_not_change_does_not() {
    let all = Accepted::parse("br, gzip, zstd");
    assert_eq!(PAGE.treatment(&all), Treatment::Make(Coding::Brotli));
    for (why, answer) in [
        ("a part", Answer { status: 206, ..PAGE }),
        ("no content", Answer { status: 204, ..PAGE }),
        ("not modified", Answer { status: 304, ..PAGE }),
        ("asked for a part", Answer { ranged: true, ..PAGE }),
        ("its hash is stated", Answer { hashed: true, ..PAGE }),
        (
            "too short",
            Answer {
                content_length: Some(LEAST - 1),
                ..PAGE
            },
        ),
        (
            "a picture",
            Answer {
                content_type: Some("image/png"),
                ..PAGE
            },
        ),
        (
            "nobody knows what",
            Answer {
                content_type: None,
                ..PAGE
            },
        ),
        (
            "events",
            Answer {
                content_type: Some("text/event-stream"),
                ..PAGE
            },
        ),
        (
            "it says so",
            Answer {
                cache_control: Some("private, No-Transform"),
                ..PAGE
            },
        ),
        (
            "coded already",
            Answer {
                content_encoding: Some("gzip"),
                ..PAGE
            },
        ),
        (
            "coded twice",
            Answer {
                content_encoding: Some("gzip, br"),
                ..PAGE
            },
        ),
    ] {
        assert_eq!(answer.treatment(&all), Treatment::AsIs, "{why}");
    }
    let unknown_length = Answer {
        content_length: None,
        ..PAGE
    };
    assert_eq!(unknown_length.treatment(&all), Treatment::Make(Coding::Brotli));
}

#[test]
fn caches_are_told_where_others_may_get_something_else() {
    assert!(PAGE.varies() && Answer { status: 304, ..PAGE }.varies());
    assert!(
        Answer {
            content_type: None,
            content_encoding: Some("gzip"),
            ..PAGE
        }
        .varies()
    );
    assert!(
        !Answer {
            content_type: Some("image/png"),
            ..PAGE
        }
        .varies()
    );
    assert!(!Answer { status: 206, ..PAGE }.varies());
}

#[test]
fn types_that_get_smaller_are_known() {
    for kind in [
        "text/css",
        "Application/JSON; charset=utf-8",
        "image/svg+xml",
        "application/problem+json",
    ] {
        assert!(is_compressible(kind), "{kind}");
    }
    for kind in [
        "image/png",
        "video/mp4",
        "application/octet-stream",
        "text/event-stream; charset=utf-8",
        "",
    ] {
        assert!(!is_compressible(kind), "{kind}");
    }
}

#[test]
fn entity_tags_are_weakened_once() {
    assert_eq!(weakened("\"a\""), "W/\"a\"");
    assert_eq!(weakened("W/\"a\""), "W/\"a\"");
    assert!(asks_for_weakened("\"b\", W/\"a\"", "\"a\""));
    assert!(!asks_for_weakened("\"a\"", "\"a\"") && !asks_for_weakened("W/\"a\"", "W/\"a\""));
}

proptest! {
    #[test]
    fn what_is_made_is_taken(header in "[a-z*;=q0-9., ]{0,40}") {
        let accepted = Accepted::parse(&header);
        if let Some(coding) = accepted.favourite() {
            prop_assert!(accepted.takes(coding.name()));
        }
    }
}
