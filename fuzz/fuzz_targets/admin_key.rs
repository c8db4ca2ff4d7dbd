//! Admin keys and the snapshot by which the router admits them.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use molt_common::admin_key::{AdminKey, KeyId, KeyRecord};
use molt_common::scope::{self, Scope};
use molt_common::time::Millis;
use molt_common::trust::{SessionRef, TrustSnapshot};

#[derive(Arbitrary, Debug)]
struct Input {
    text: String,
    id: [u8; 8],
    secret: [u8; 32],
    other: [u8; 32],
    same_id: bool,
    expires_at: Option<u64>,
    now: u64,
    snapshot: String,
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .chars()
            .all(|digit| digit.is_ascii_digit() || ('a'..='f').contains(&digit))
}

fn assert_reads(text: &str) {
    match AdminKey::parse(text) {
        Ok(key) => {
            assert_eq!(key.reveal(), text);
            let parts: Vec<&str> = text.split('_').collect();
            assert!(
                parts.len() == 3 && parts[0] == "molt" && is_hex(parts[1], 16) && is_hex(parts[2], 64),
                "{text:?}"
            );
            assert!(!format!("{key:?}").contains(parts[2]), "shown by Debug");
            assert!(!key.hash().contains(parts[2]));
        }
        Err(_) => assert!(
            text.len() != 86
                || !text.starts_with("molt_")
                || !is_hex(&text.replace('_', "")[4..], 80)
                || text.as_bytes()[21] != b'_'
        ),
    }
    if let Ok(id) = KeyId::parse(text) {
        assert!(is_hex(text, 16) && id.as_str() == text);
    }
    if let Some(session) = SessionRef::parse(text) {
        assert_eq!(session.as_str(), text);
        assert_eq!(text.len(), 33);
    }
    if let Ok(scope) = text.parse::<Scope>() {
        assert_eq!(scope.word(), text);
        assert!(scope::permits(&[Scope::Everything], scope) && scope::permits(&[scope], scope));
        assert!(!scope::permits(&[], scope));
    }
}

fuzz_target!(|input: Input| {
    if input.text.is_ascii() {
        assert_reads(&input.text);
    } else {
        assert!(AdminKey::parse(&input.text).is_err());
    }
    let key = AdminKey::new(input.id, input.secret);
    assert_reads(&key.reveal());
    let mut other_id = input.id;
    other_id[0] ^= u8::from(!input.same_id);
    let other = AdminKey::new(other_id, input.other);
    let record = KeyRecord {
        id: key.id().clone(),
        hash: key.hash(),
        scopes: vec![],
        expires_at: input.expires_at.map(Millis),
    };
    let now = Millis(input.now);
    let lives = input.expires_at.is_none_or(|end| input.now < end);
    assert_eq!(record.admits(&key, now), lives);
    assert_eq!(record.admits(&other, now), lives && key == other);
    if let Ok(snapshot) = serde_json::from_str::<TrustSnapshot>(&input.snapshot) {
        assert!(snapshot.key(&key, now).is_none(), "admitted by a hash that was guessed");
        let written = serde_json::to_string(&snapshot).expect("JSON");
        assert_eq!(
            serde_json::from_str::<TrustSnapshot>(&written).expect("the same"),
            snapshot
        );
    }
});
