//! Redaction: a secret of any shape does not survive, wherever it stands; what is masked once stays as it is.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use molt_common::redaction::{MASK, field, json, query, text, url};
use serde_json::json as document;

#[derive(Arbitrary, Debug)]
enum Shape {
    Token,
    AdminKey,
    Anthropic,
    Project,
    Google,
    GitHub,
    Slack,
    Aws,
    Hex,
    Base64Url,
    Bearer,
    Named(u8, u8),
    Pem,
    UserInfo,
}

#[derive(Arbitrary, Debug)]
struct Input {
    before: String,
    shape: Shape,
    seed: [u8; 48],
    after: String,
}

const NAMES: [&str; 8] = [
    "token",
    "X-Admin-Secret",
    "PASSWORD",
    "apiKey",
    "refresh_token",
    "client.secret",
    "api-key",
    "sb-access-token",
];
const JOINTS: [&str; 6] = ["=", ": ", ":", "=>", " = ", "%3D"];

fn letters(seed: &[u8], alphabet: &[u8], length: usize) -> String {
    let pick = |place: usize| char::from(alphabet[usize::from(seed[place % seed.len()]) % alphabet.len()]);
    (0..length).map(pick).collect()
}

/// The secret as it stands in a text, and the part of it that may not survive.
fn planted(shape: &Shape, seed: &[u8]) -> (String, String) {
    let alnum = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let word = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let whole = |text: String| (text.clone(), text);
    match shape {
        Shape::Token => whole(format!(
            "eyJ{}.eyJ{}.{}",
            letters(seed, word, 24),
            letters(seed, word, 40),
            letters(seed, word, 43)
        )),
        Shape::AdminKey => whole(format!(
            "molt_{}_{}",
            letters(seed, b"0123456789abcdef", 16),
            letters(seed, b"0123456789abcdef", 64)
        )),
        Shape::Anthropic => whole(format!("sk-ant-{}", letters(seed, word, 40))),
        Shape::Project => whole(format!("sk-proj-{}", letters(seed, word, 30))),
        Shape::Google => whole(format!("AIza{}", letters(seed, word, 35))),
        Shape::GitHub => whole(format!("ghp_{}", letters(seed, alnum, 36))),
        Shape::Slack => whole(format!("xoxb-{}", letters(seed, alnum, 24))),
        Shape::Aws => whole(format!(
            "AKIA{}",
            letters(seed, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 16)
        )),
        // One digit and one letter more make it certain that it is neither a number nor a word.
        Shape::Hex => whole(format!("{}1a", letters(seed, b"0123456789abcdef", 40))),
        Shape::Base64Url => whole(format!("{}A1b2C3d4E5f6G7h8J9k1", letters(seed, word, 43))),
        Shape::Bearer => {
            let secret = format!("{}1A", letters(seed, alnum, 14));
            (format!("Bearer {secret}"), secret)
        }
        Shape::Named(name, joint) => {
            let secret = format!("{}1A", letters(seed, alnum, 14));
            let (name, joint) = (
                NAMES[usize::from(*name) % NAMES.len()],
                JOINTS[usize::from(*joint) % JOINTS.len()],
            );
            (format!("{name}{joint}{secret}"), secret)
        }
        Shape::Pem => {
            let secret = letters(seed, alnum, 30);
            (
                format!("-----BEGIN PRIVATE KEY-----\n{secret}\n-----END PRIVATE KEY-----"),
                secret,
            )
        }
        Shape::UserInfo => {
            let secret = letters(seed, alnum, 20);
            (format!("https://ann:{secret}@db.example/x"), secret)
        }
    }
}

fuzz_target!(|input: Input| {
    let once = text(&input.before);
    assert_eq!(text(&once), once, "masked twice is not masked once");
    let _ = (query(&input.before), url(&input.before));

    let (planted, secret) = planted(&input.shape, &input.seed);
    // A quotation that began before it would end at a quote that is the secret's own; the rest of it has no name any more.
    let before = input.before.replace(['"', '\'', '`', '\\'], "");
    let whole = format!("{before} {planted} {}", input.after);
    // The surroundings may hold the same text by themselves only if somebody put it there on purpose.
    let shown = text(&whole);
    if !before.contains(&secret) && !input.after.contains(&secret) {
        assert!(!shown.contains(&secret), "{secret:?} survived in {shown:?}");
        let deep = json(document!({"a": [{"b": whole}], "password": whole, (before.as_str()): planted})).to_string();
        assert!(!deep.contains(&secret), "{secret:?} survived in {deep}");
        let encoded: String = planted.bytes().map(|byte| format!("%{byte:02x}")).collect();
        assert_eq!(query(&format!("q={encoded}")), format!("q={MASK}"));
        assert!(!query(&format!("x=1&{}", planted.replace(['&', '#'], ""))).contains(&secret));
    }
    assert_eq!(field("authorization", &planted), MASK);
});
