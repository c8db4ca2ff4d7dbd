//! What lists show of a job in one line.

use crate::redaction;

/// Longest title, in characters.
const LONGEST: usize = 200;

/// A command or a cause as a title: without credentials, in one line, cut after 200 characters. Credentials go first, since half of one would
/// not be known for what it is.
#[must_use]
pub fn title(text: &str) -> String {
    // Marks that turn the direction of text around would make a line read otherwise than it is.
    let shown = |c: char| !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let clean: String = redaction::text(text)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .filter(|c| shown(*c))
        .collect();
    let mut line = String::new();
    for word in clean.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if line.chars().count() > LONGEST {
        line = line.chars().take(LONGEST - 1).collect();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, title};
    use proptest::prelude::*;

    #[test]
    fn it_is_one_line_without_secrets() {
        assert_eq!(title("echo a\n\techo  b\u{1b}[31m"), "echo a echo b [31m");
        let shown = title("curl -H 'Authorization: Bearer abcdefghijklmnop0123456789' https://ann:hunter22@host/");
        assert!(
            !shown.contains("abcdefghijklmnop") && !shown.contains("hunter22"),
            "{shown}"
        );
        assert_eq!(title("a\u{202e}b"), "ab");
    }

    proptest! {
        #[test]
        fn it_is_short_whatever_comes(text in ".{0,600}") {
            let shown = title(&text);
            prop_assert!(shown.chars().count() <= LONGEST);
            prop_assert!(!shown.chars().any(char::is_control));
        }
    }
}
