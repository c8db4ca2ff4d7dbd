//! What clients say of uploads and of codings: whatever is taken is what was meant, and leads nowhere but to the agent.
#![no_main]

use libfuzzer_sys::fuzz_target;
use molt_common::content_coding::{Accepted, Answer, Treatment};
use molt_common::path::{self, Spelling};
use molt_common::upload::{Checksum, PATH, Place, Target, UploadId, count, metadata};
use sandboxd::parsers::Seen;

fuzz_target!(|data: &str| {
    if let Ok(target) = Target::from_metadata(data) {
        assert!(
            target.path.starts_with('/') && !target.path.starts_with("//"),
            "{target:?}"
        );
        assert!(target.path.bytes().all(|byte| byte.is_ascii_graphic()), "{target:?}");
        let bare = target.path.split('?').next().unwrap_or_default();
        assert!(
            !path::RESERVED.iter().any(|prefix| path::below(bare, prefix)),
            "{target:?}"
        );
        assert_ne!(path::spelling(bare), Spelling::Ambiguous, "{target:?}");
        let kind = target.content_type.unwrap_or_default();
        assert!(http::HeaderValue::from_str(&kind).is_ok(), "{kind:?}");
    }
    if let Ok(pairs) = metadata(data) {
        let mut keys: Vec<&String> = pairs.iter().map(|(key, _)| key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), pairs.len(), "a key twice");
    }
    if let Ok(number) = count("Upload-Offset", data) {
        assert_eq!(format!("{number:0width$}", width = data.len()), data);
    }
    let _ = Checksum::parse(data);
    let below = format!("{PATH}/{data}");
    match Place::of(&below) {
        Some(Place::One(id)) => assert_eq!(UploadId::parse(data), Some(id)),
        Some(Place::Answer(id)) => assert_eq!(format!("{}/answer", id.as_str()), data),
        Some(Place::Delivery(id)) => assert_eq!(format!("{}/delivery", id.as_str()), data),
        Some(Place::All) => assert!(data.is_empty()),
        None => {}
    }

    let accepted = Accepted::parse(data);
    let page = Answer {
        status: 200,
        content_type: Some("text/html"),
        ..Answer::default()
    };
    if let Treatment::Make(coding) = page.treatment(&accepted) {
        assert!(
            data.to_ascii_lowercase().contains(coding.name()) || data.contains('*'),
            "nobody asked: {data:?}"
        );
        assert!(accepted.takes(coding.name()));
    }

    let seen = Seen {
        proto: "https",
        host: "bot.example",
        agent_port: 18789,
    };
    if let Some(public) = seen.public_form(data) {
        let rest = public.strip_prefix("https://bot.example").expect("the public address");
        assert!(rest.is_empty() || rest.starts_with(['/', '?', '#']), "{public}");
    }
    if let Some(cookie) = seen.host_only(data) {
        let has_domain = |part: &str| {
            part.split('=')
                .next()
                .unwrap_or_default()
                .trim()
                .eq_ignore_ascii_case("domain")
        };
        assert!(!cookie.split(';').skip(1).any(has_domain), "{cookie}");
    }
});
