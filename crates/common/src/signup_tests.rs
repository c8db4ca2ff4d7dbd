use super::{Address, Decision, Policy, Refusal, StatedEmail, decide, display_name};
use crate::id::UserId;
use proptest::prelude::*;

const ID: &str = "0b0f3c1e-6f0e-4b51-9a35-5a7d3c0f1a11";

fn domains() -> Policy {
    Policy::parse(Some("domains"), &["Example.com".into(), "sub.example.org".into()])
}

fn confirmed(address: &str) -> Option<Address<'_>> {
    StatedEmail {
        address: Some(address),
        verified: Some(true),
    }
    .confirmed(false)
}

#[test]
fn anything_but_a_known_word_takes_nobody() {
    for word in [None, Some(""), Some("Open"), Some("open "), Some("closed"), Some("yes")] {
        let policy = Policy::parse(word, &["example.com".into()]);
        assert_eq!(policy, Policy::Closed, "{word:?}");
        assert_eq!(
            decide(&policy, confirmed("a@example.com")),
            Decision::Refuse(Refusal::Closed)
        );
    }
    assert_eq!(decide(&Policy::Open, None), Decision::Take);
}

#[test]
fn an_address_of_a_listed_domain_is_taken_whatever_its_capitals() {
    for address in ["a@example.com", "A.B+c@EXAMPLE.com", "o'neil@sub.example.org"] {
        assert_eq!(decide(&domains(), confirmed(address)), Decision::Take, "{address}");
    }
}

#[test]
fn tricks_with_addresses_do_not_work() {
    for address in [
        "a@evil.example.com",
        "a@example.com.evil.net",
        "a@notexample.com",
        "a@example.org",
        "a@com",
        "a@example.com.",
        "a@.example.com",
        "a@example..com",
        "a@@example.com",
        "a@evil.net@example.com",
        "\"a@evil.net\"@example.com",
        "\"a\"@example.com",
        "a(comment)@example.com",
        "<a@example.com>",
        "a@example.com>",
        "a@[127.0.0.1]",
        "a@example.com,b@evil.net",
        "a@example.com b@evil.net",
        " a@example.com",
        "a@example.com\n",
        "a@example.com\0",
        "a@example.com%00",
        "@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        // Looks alike: a Cyrillic e, full-width letters, a dotless i, an ideographic full stop, soft hyphen, zero-width space.
        "a@еxample.com",
        "a@ｅxample.com",
        "a@example。com",
        "a@exam\u{ad}ple.com",
        "a@example.com\u{200b}",
        "ａ@example.com",
        "a@xn--xample-2of.com",
        "a",
        "",
    ] {
        assert!(
            matches!(decide(&domains(), confirmed(address)), Decision::Refuse(_)),
            "{address:?}"
        );
    }
    let long = format!("{}@example.com", "a".repeat(65));
    assert!(confirmed(&long).is_none());
    let long = format!("a@{}example.com", "a.".repeat(125));
    assert!(confirmed(&long).is_none());
}

#[test]
fn an_address_that_is_not_confirmed_does_not_count() {
    let stated = |verified| StatedEmail {
        address: Some("a@example.com"),
        verified,
    };
    for (verified, provider_confirms, counts) in [
        (Some(true), false, true),
        (Some(true), true, true),
        (None, true, true),
        (None, false, false),
        (Some(false), true, false),
        (Some(false), false, false),
    ] {
        let email = stated(verified).confirmed(provider_confirms);
        assert_eq!(email.is_some(), counts, "{verified:?} {provider_confirms}");
        let taken = decide(&domains(), email) == Decision::Take;
        assert_eq!(taken, counts);
        let invited = matches!(decide(&Policy::Invited, email), Decision::TakeIfInvited(_));
        assert_eq!(invited, counts);
    }
    assert_eq!(
        decide(&Policy::Invited, None),
        Decision::Refuse(Refusal::NoConfirmedEmail)
    );
    assert!(StatedEmail::default().confirmed(true).is_none());
}

#[test]
fn a_domain_that_is_none_admits_nobody() {
    let bad = [
        "",
        "com",
        "*.example.com",
        ".example.com",
        "example.com.",
        "@example.com",
        "exa mple.com",
    ];
    let policy = Policy::parse(Some("domains"), &bad.map(str::to_owned));
    assert_eq!(policy, Policy::Domains(vec![]));
    assert!(matches!(
        decide(&policy, confirmed("a@example.com")),
        Decision::Refuse(_)
    ));
}

#[test]
fn names_hold_nothing_that_is_obeyed() {
    let id = UserId::parse(ID).unwrap();
    for (email, name) in [
        (Some("ada@example.com"), "ada"),
        (Some("a\u{1b}[31m\u{202e}b\u{200b}c\r\nd@x"), "a[31mbcd"),
        (Some("  a   b @x"), "a b"),
        (Some("@x"), ID),
        (Some("\u{7}\u{feff}@x"), ID),
        (Some(""), ID),
        (None, ID),
        (Some("Zoë@x"), "Zoë"),
    ] {
        assert_eq!(display_name(email, id), name, "{email:?}");
    }
    assert_eq!(display_name(Some(&"x".repeat(10_000)), id).len(), 64);
}

proptest! {
    #[test]
    fn only_addresses_that_end_in_the_domain_are_taken(address in "\\PC{0,40}(@(example\\.com|evil\\.net)\\PC{0,3})?") {
        if decide(&domains(), confirmed(&address)) == Decision::Take {
            prop_assert!(address.is_ascii());
            prop_assert_eq!(address.matches('@').count(), 1);
            let domain = address.split('@').nth(1).unwrap().to_ascii_lowercase();
            prop_assert!(domain == "example.com" || domain == "sub.example.org");
        }
    }

    #[test]
    fn names_are_never_empty_or_long(email in proptest::option::of("\\PC{0,200}")) {
        let name = display_name(email.as_deref(), UserId::parse(ID).unwrap());
        prop_assert!(!name.is_empty() && name.chars().count() <= 64);
        prop_assert!(!name.chars().any(char::is_control));
    }
}
