//! The identity between workers: accepted for exactly the call that it was signed for, until it ends.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use molt_common::identity::{Identity, IdentityKeys, Kind, LIFETIME_MS};
use molt_common::time::Millis;

const KEYS: &str = r#"{"current":"new","keys":{"new":"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn","old":"ooooooooooooooooooooooooooooooooooooooooooo"}}"#;
const OTHER: &str = r#"{"current":"new","keys":{"new":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}"#;
const NOW: u64 = 1_800_000_000_000;
/// The clocks of two machines may differ by this much.
const SKEW_MS: u64 = 5_000;

#[derive(Arbitrary, Debug)]
struct Input {
    unsigned: String,
    keys: String,
    sub: String,
    email: Option<String>,
    scopes: Vec<String>,
    method: String,
    path: String,
    user: bool,
    asked_method: Option<String>,
    asked_path: Option<String>,
    asked_user: bool,
    until: i32,
    other_key: bool,
    change: Option<(u16, u8)>,
}

fn kind(user: bool) -> Kind {
    if user { Kind::User } else { Kind::Admin }
}

fuzz_target!(|input: Input| {
    let _ = IdentityKeys::parse(&input.keys);
    let keys = IdentityKeys::parse(KEYS).expect("keys");
    let signer = IdentityKeys::parse(if input.other_key { OTHER } else { KEYS }).expect("keys");
    let now = Millis(NOW);
    let refused = keys
        .verify(Some(&input.unsigned), Kind::User, &input.method, &input.path, now)
        .is_err();
    assert!(refused, "accepted without a signature");
    let document = serde_json::json!({
        "sub": input.sub, "kind": if input.user { "user" } else { "admin" }, "scopes": input.scopes, "email": input.email, "rid": "req_1",
        "until": NOW.saturating_add_signed(i64::from(input.until)), "method": input.method, "path": input.path,
    });
    let Ok(identity) = serde_json::from_value::<Identity>(document) else {
        return;
    };
    let Ok(signed) = signer.sign(&identity) else { return };
    let mut bytes = signed.clone().into_bytes();
    if let Some((at, with)) = input.change {
        let at = usize::from(at) % bytes.len();
        bytes[at] = with;
    }
    let Ok(token) = String::from_utf8(bytes) else { return };
    let method = input.asked_method.as_deref().unwrap_or(&input.method);
    let path = input.asked_path.as_deref().unwrap_or(&input.path);
    let accepted = keys.verify(Some(&token), kind(input.asked_user), method, path, now);
    let in_time = (0..=(LIFETIME_MS + SKEW_MS) as i64).contains(&i64::from(input.until));
    let right = token == signed
        && !input.other_key
        && input.user == input.asked_user
        && method == input.method
        && path == input.path
        && in_time;
    assert_eq!(accepted.is_ok(), right, "{accepted:?}");
    if let Ok(accepted) = accepted {
        assert_eq!(accepted, identity);
    }
});
