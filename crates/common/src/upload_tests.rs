use super::{Checksum, Method, PATH, Place, Target, UploadId, count, metadata};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

fn stated(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs
        .iter()
        .map(|(key, value)| format!("{key} {}", STANDARD.encode(value)))
        .collect();
    pairs.join(",")
}

fn refused(pairs: &[(&str, &str)]) -> String {
    Target::from_metadata(&stated(pairs)).unwrap_err().field.unwrap()
}

#[test]
fn an_upload_says_what_it_is_for() {
    let header = stated(&[
        ("filename", "käse.bin"),
        ("target", "/files/in?x=1"),
        ("method", "PUT"),
        ("filetype", "image/png"),
    ]);
    let target = Target::from_metadata(&header).unwrap();
    assert_eq!((target.method, target.path.as_str()), (Method::Put, "/files/in?x=1"));
    assert_eq!(target.content_type.as_deref(), Some("image/png"));
    let plain = Target::from_metadata(&stated(&[("target", "/x")])).unwrap();
    assert_eq!((plain.method, plain.content_type), (Method::Post, None));
}

#[test]
fn bad_metadata_is_named_by_key() {
    assert_eq!(refused(&[]), "target");
    for bad in [
        "",
        "x",
        "//evil.example/x",
        "http://evil.example",
        "/a b",
        "/a\r\nx: y",
        "/#x",
        "/_molt/uploads",
        "/api/super/users",
        "/%61pi/super",
        "/x/../_molt/y",
    ] {
        assert_eq!(refused(&[("target", bad)]), "target", "{bad:?}");
    }
    assert_eq!(refused(&[("target", "/x"), ("method", "GET")]), "method");
    assert_eq!(
        refused(&[("target", "/x"), ("contentType", "a\r\nx: y")]),
        "contentType"
    );
    for bad in [
        "target !!!",
        "target /x",
        "target eA==,target eA==",
        "t\u{e4}rget eA==",
        &"x".repeat(5000),
    ] {
        assert_eq!(
            metadata(bad).unwrap_err().field.as_deref(),
            Some("Upload-Metadata"),
            "{bad}"
        );
    }
    assert_eq!(
        metadata("empty, k eA==").unwrap(),
        [("empty".into(), String::new()), ("k".into(), "x".into())]
    );
}

#[test]
fn numbers_of_bytes_are_digits() {
    assert_eq!(count("Upload-Offset", "0").unwrap(), 0);
    for bad in ["", "-1", "+1", " 1", "1.0", "0x1", "9999999999999999999"] {
        assert_eq!(
            count("Upload-Offset", bad).unwrap_err().field.as_deref(),
            Some("Upload-Offset"),
            "{bad}"
        );
    }
}

#[test]
fn checksums_are_of_known_algorithms_and_whole() {
    assert!(matches!(
        Checksum::parse("sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0="),
        Ok(Checksum::Sha1(_))
    ));
    for bad in [
        "",
        "sha1",
        "sha1 !",
        "sha1 eA==",
        "md5 1B2M2Y8AsgTpgAmY7PhCfg==",
        "sha256 Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
    ] {
        assert!(Checksum::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn paths_lead_to_uploads_and_nowhere_else() {
    let id = "0123456789abcdef0123456789abcdef";
    let parsed = UploadId::parse(id).unwrap();
    assert_eq!(Place::of(PATH), Some(Place::All));
    assert_eq!(Place::of(&format!("{PATH}/")), Some(Place::All));
    assert_eq!(Place::of(&format!("{PATH}/{id}")), Some(Place::One(parsed.clone())));
    assert_eq!(
        Place::of(&format!("{PATH}/{id}/answer")),
        Some(Place::Answer(parsed.clone()))
    );
    assert_eq!(
        Place::of(&format!("{PATH}/{id}/delivery")),
        Some(Place::Delivery(parsed))
    );
    for bad in [
        "/",
        "/_molt/uploadsx",
        "/_molt/uploads/..",
        "/_molt/uploads/x",
        &format!("{PATH}/{id}/"),
        &format!("{PATH}/{id}/x"),
        &format!("{PATH}/{}", id.to_uppercase()),
    ] {
        assert_eq!(Place::of(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_stated(values in proptest::collection::btree_map("[a-z]{1,8}", "\\PC{0,20}", 0..6)) {
        let pairs: Vec<(&str, &str)> = values.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let read = metadata(&stated(&pairs)).unwrap();
        let expected: Vec<(String, String)> = values.into_iter().collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn nothing_stated_breaks_anything(header in "\\PC{0,200}") {
        let _ = Target::from_metadata(&header);
        let _ = Checksum::parse(&header);
    }
}
