//! Calls to a repository: no path names anything outside its sandbox, no span lies outside its object, no text is a token or a key but ours.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use molt_common::access::bearer_or_password;
use molt_common::byte_range::ByteRange;
use molt_common::id::SandboxId;
use molt_common::repository_keys::RepositoryKeys;
use molt_common::repository_path::{Place, RepositoryPath, Root};
use molt_common::repository_token::RepositoryClaims;
use molt_common::snapshot::REPOSITORY_PATH;
use molt_common::time::Millis;

const KEYS: &str = r#"{"current":"new","keys":{"new":"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn","old":"ooooooooooooooooooooooooooooooooooooooooooo"}}"#;
const SANDBOX: &str = "sbx_0123456789abcdef0123456789abcdef";

#[derive(Arbitrary, Debug)]
struct Input {
    path: String,
    rest: String,
    method: String,
    creates: bool,
    range: String,
    size: u64,
    incarnation: u32,
    credential: String,
    wrapped: String,
    keys: String,
}

fn assert_inside(path: &str, input: &Input) {
    let Ok(read) = RepositoryPath::parse(path) else { return };
    assert!(RepositoryPath::covers(path), "{path:?}");
    assert!(
        path.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/_.".contains(&byte)),
        "{path:?}"
    );
    let _ = read.operation(&input.method, input.creates);
    if let Place::Item(item) = read.place {
        for incarnation in [0, input.incarnation] {
            let sandbox = read.sandbox.clone();
            let key = item.key(&Root { sandbox, incarnation });
            let beside = if incarnation == 0 {
                String::new()
            } else {
                format!("again-{incarnation}/")
            };
            let rest = key
                .strip_prefix(&format!("snapshots/{}/{beside}", read.sandbox))
                .expect("outside");
            assert!(
                path.ends_with(&format!("{}/restic/{rest}", read.sandbox)),
                "{path:?} is {key:?}"
            );
        }
    }
}

fuzz_target!(|input: Input| {
    assert_inside(&input.path, &input);
    assert_inside(&format!("{REPOSITORY_PATH}/{SANDBOX}/{}", input.rest), &input);
    if let Some(span) = ByteRange::parse(&input.range).and_then(|range| range.of(input.size)) {
        assert!(span.length > 0 && span.offset < input.size && span.length <= input.size - span.offset);
    }
    let _ = RepositoryKeys::parse(&input.keys);
    let keys = RepositoryKeys::parse(KEYS).expect("keys");
    let sandbox = SandboxId::parse(SANDBOX).expect("an id");
    let token = bearer_or_password(&input.credential).unwrap_or_else(|| input.credential.clone());
    assert!(
        RepositoryClaims::verify(&keys, &token, &sandbox, Millis(1)).is_err(),
        "{token:?}"
    );
    assert!(keys.unwrap(&input.wrapped, &sandbox).is_err(), "{:?}", input.wrapped);
});
