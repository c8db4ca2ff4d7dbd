//! Patterns in which `*` stands for any run of characters, as in image references and host names.

/// Whether `text` as a whole matches `pattern`. `*` matches any run of characters, the empty one too; everything else stands for
/// itself. Case matters.
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(first) = pieces.next() else {
        return text.is_empty();
    };
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    // The leftmost place for each middle piece leaves the most text for what follows, so no other place need be tried.
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::matches;

    #[test]
    fn a_pattern_without_a_star_is_the_text_itself() {
        assert!(matches("cloudflare-dev/sandbox:1", "cloudflare-dev/sandbox:1"));
        assert!(!matches("cloudflare-dev/sandbox", "cloudflare-dev/sandbox:1"));
        assert!(!matches("", "x"));
        assert!(matches("", ""));
    }

    #[test]
    fn a_star_spans_any_run_of_characters() {
        assert!(matches("cloudflare-dev/*", "cloudflare-dev/sandbox:abc"));
        assert!(matches("*.internal", "edge.internal"));
        assert!(!matches("*.internal", "edge.internal.example.com"));
        assert!(matches("a*b*c", "aXbYbZc"));
        assert!(!matches("a*b*c", "acb"));
        assert!(matches("*", ""));
        assert!(!matches("ab*ba", "aba"), "one character cannot serve both ends");
    }

    /// The definition, by trying every split.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some(('*', rest)) => (0..=text.len()).any(|n| slow(rest, &text[n..])),
            Some((c, rest)) => text.first() == Some(c) && slow(rest, &text[1..]),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*]{0,6}", text in "[ab]{0,8}") {
            let (p, t): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
            prop_assert_eq!(matches(&pattern, &text), slow(&p, &t));
        }
    }
}
