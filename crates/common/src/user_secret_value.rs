//! What values of users' secrets may look like, and what is shown of them.

use crate::problem::Problem;
use crate::user_secret::{LONGEST_VALUE, SecretUse};

/// Values of fewer characters are not shown in part.
const SHORTEST_SHOWN: usize = 16;
/// Characters that are shown.
const SHOWN: usize = 4;
/// Stands for what is not shown, whatever its length is.
pub const DOTS: &str = "••••";

/// Whether a value may be kept. The problem says nothing of it.
///
/// # Errors
/// 400 that names `value`.
pub fn check(value: &str, used_for: SecretUse) -> Result<(), Problem> {
    let refused = |why: &str| Err(Problem::invalid("value", why));
    if value.is_empty() || value.len() > LONGEST_VALUE {
        return refused(&format!("must have 1 to {LONGEST_VALUE} bytes"));
    }
    if value.trim().len() != value.len() {
        return refused("must not begin or end with white space");
    }
    if value.chars().any(breaks) {
        return refused("must not have line breaks or other control characters");
    }
    // It becomes the value of a header.
    if used_for == SecretUse::Provider && !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return refused("must be printable ASCII, as every key of a provider is");
    }
    Ok(())
}

/// Controls, and what some readers take for the end of a line.
fn breaks(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{2028}' | '\u{2029}')
}

/// What is shown of a value: the last four characters behind dots when it has at least sixteen, else only dots.
#[must_use]
pub fn masked(value: &str) -> String {
    if value.chars().count() < SHORTEST_SHOWN {
        return DOTS.to_owned();
    }
    let mut last: Vec<char> = value.chars().rev().take(SHOWN).collect();
    last.reverse();
    format!("{DOTS}{}", last.into_iter().collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::{DOTS, check, masked};
    use crate::user_secret::{LONGEST_VALUE, SecretUse};
    use proptest::prelude::*;

    #[test]
    fn odd_values_are_refused_without_being_told() {
        for used_for in [SecretUse::Provider, SecretUse::Channel] {
            for good in ["a", "sk-ant-123", "xoxb 1", r#"{"type":"service_account"}"#] {
                assert!(check(good, used_for).is_ok(), "{good}");
            }
            assert!(check(&"a".repeat(LONGEST_VALUE), used_for).is_ok());
            for bad in [
                "",
                " hunter2",
                "hunter2\t",
                "hunter2\n",
                "\u{a0}hunter2",
                "hun\nter2",
                "hun\r\nter2",
                "hun\0ter2",
                "hun\u{7f}ter2",
                "hun\u{85}ter2",
                "hun\u{2028}ter2",
                &"hunter2".repeat(LONGEST_VALUE),
            ] {
                let problem = check(bad, used_for).unwrap_err();
                assert_eq!((problem.status, problem.field.as_deref()), (400, Some("value")));
                assert!(!problem.detail.contains("hunter2"), "{}", problem.detail);
            }
        }
        assert!(check("pässword", SecretUse::Channel).is_ok());
        assert!(check("pässword", SecretUse::Provider).is_err(), "no header has it");
    }

    #[test]
    fn long_values_show_their_end() {
        assert_eq!(masked("123456789012345"), DOTS);
        assert_eq!(masked("1234567890123456"), format!("{DOTS}3456"));
        assert_eq!(masked("ääääääääääääöüß€"), format!("{DOTS}öüß€"));
        assert_eq!(masked(""), DOTS);
    }

    proptest! {
        #[test]
        fn no_more_than_four_characters_are_ever_shown(value in "[a-z0-9]{0,100}") {
            let shown = masked(&value);
            let shown = shown.strip_prefix(DOTS).unwrap();
            prop_assert!(shown.is_empty() || (shown.len() == 4 && value.len() >= 16 && value.ends_with(shown)));
        }

        #[test]
        fn what_is_taken_for_a_provider_fits_into_a_header(value in "\\PC{0,40}|[\\x00-\\xff]{0,40}") {
            if check(&value, SecretUse::Provider).is_ok() {
                prop_assert!(http::HeaderValue::from_str(&value).is_ok());
            }
        }
    }
}
