//! What a browser brings back while somebody signs in, and what an identity provider answers.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use molt_common::id::UserId;
use molt_common::login::LoginState;
use molt_common::origin::Sender;
use molt_common::renewal::{Outcome, is_refresh_token};
use molt_common::seal::{Purpose, SessionKeys};
use molt_common::signup::{Address, display_name};
use url::Url;

const KEYS: &str = r#"{"current":"k1","keys":{"k1":"nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"}}"#;
const ADA: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";

#[derive(Arbitrary, Debug)]
struct Input {
    text: String,
    next: Option<String>,
    state: [u8; 16],
    nonce: [u8; 16],
    seal_nonce: [u8; 24],
    change: (u16, u8),
    status: u16,
    site: Option<String>,
}

fuzz_target!(|input: Input| {
    let own = Url::parse("https://own.example/").expect("a URL");
    let leads_home = |next: &str| own.join(next).is_ok_and(|lead| lead.origin() == own.origin());
    let begun = LoginState::new(input.state, input.nonce, input.next.as_deref());
    assert!(leads_home(begun.next()), "{:?}", begun.next());
    let cookie = begun.cookie();
    assert!(
        cookie
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    );
    assert!(LoginState::read([cookie.as_str()].into_iter()).is_ok_and(|read| read == begun));
    assert!(
        LoginState::read([cookie.as_str(), &cookie].into_iter()).is_err(),
        "two cookies"
    );
    if let Ok(read) = LoginState::read([input.text.as_str()].into_iter()) {
        assert!(leads_home(read.next()), "{:?}", read.next());
        assert!(read.came_back_with(None).is_err() && read.came_back_with(Some("")).is_err());
    }

    let keys = SessionKeys::parse(KEYS).expect("keys");
    let _ = SessionKeys::parse(&input.text);
    let user = UserId::parse(ADA).expect("an id");
    let sealed = keys
        .seal(Purpose::RefreshCookie, user, &input.text, input.seal_nonce)
        .expect("sealed");
    assert!(
        keys.open(Purpose::RefreshCookie, &sealed)
            .is_ok_and(|opened| opened.user == user && opened.text == input.text)
    );
    assert!(
        keys.open(Purpose::RefreshCookie, &input.text).is_err(),
        "opened what nobody sealed"
    );
    let mut changed = sealed.clone().into_bytes();
    let at = usize::from(input.change.0) % changed.len();
    changed[at] = input.change.1;
    if let Ok(changed) = String::from_utf8(changed)
        && let Ok(opened) = keys.open(Purpose::RefreshCookie, &changed)
    {
        // A UUID in capitals is the same UUID.
        assert!(changed.eq_ignore_ascii_case(&sealed) && opened.user == user && opened.text == input.text);
    }

    if let Outcome::Granted(grant) = Outcome::of_answer(input.status, &input.text) {
        assert!(input.status == 200 && grant.refresh_token.as_deref().is_none_or(is_refresh_token));
    }
    if let Some(address) = Address::parse(&input.text) {
        assert!(address.as_str() == input.text && input.text.is_ascii() && input.text.matches('@').count() == 1);
        assert!(!input.text.contains([' ', '"', '(', '<', ',', ';', ':', '\\']));
    }
    let name = display_name(Some(&input.text), user);
    assert!(!name.is_empty() && name.chars().count() <= 64 && !name.chars().any(char::is_control));

    let listed = ["https://listed.example".to_owned()];
    let sender = Sender {
        origin: Some(&input.text),
        site: input.site.as_deref(),
    };
    if sender.is_ours("https://own.example", &listed) {
        let hidden = input.text == "null" && input.site.as_deref() == Some("same-origin");
        assert!(
            hidden || input.text == "https://own.example" || input.text == listed[0],
            "{sender:?}"
        );
        assert_ne!(input.site.as_deref(), Some("cross-site"));
    }
});
