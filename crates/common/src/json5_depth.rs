//! How deep a JSON5 text is nested, found without recursion: a parser of it recurses, and a file of brackets alone would overflow its stack.

/// Deeper than any document a person writes, and within what every reader of JSON here takes.
pub const DEEPEST: usize = 64;

/// Whether a text is nested no deeper than [`DEEPEST`]. Brackets in strings and comments do not count. What is no JSON5 is the parser's to refuse: up to the
/// place where it does, this counts as it does.
#[must_use]
pub fn is_shallow(text: &str) -> bool {
    let mut depth = 0_usize;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '[' | '{' => depth = depth.saturating_add(1),
            ']' | '}' => depth = depth.saturating_sub(1),
            '"' | '\'' => skip_string(&mut rest, character),
            '/' => match rest.peek() {
                Some('/') => skip_line(&mut rest),
                Some('*') => {
                    rest.next();
                    skip_comment(&mut rest);
                }
                _ => {}
            },
            _ => {}
        }
        if depth > DEEPEST {
            return false;
        }
    }
    true
}

fn skip_string(rest: &mut impl Iterator<Item = char>, delimiter: char) {
    while let Some(character) = rest.next() {
        match character {
            '\\' => {
                rest.next();
            }
            _ if character == delimiter => return,
            _ => {}
        }
    }
}

fn skip_line(rest: &mut impl Iterator<Item = char>) {
    rest.find(|character| matches!(character, '\n' | '\r' | '\u{2028}' | '\u{2029}'));
}

fn skip_comment(rest: &mut impl Iterator<Item = char>) {
    let mut star = false;
    rest.find(|character| {
        let ends = star && *character == '/';
        star = *character == '*';
        ends
    });
}

#[cfg(test)]
mod tests {
    use super::{DEEPEST, is_shallow};

    #[test]
    fn only_what_is_open_at_once_counts() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(is_shallow(&nested(DEEPEST)) && !is_shallow(&nested(DEEPEST + 1)));
        let mixed = "{a:[".repeat(DEEPEST / 2) + &"]}".repeat(DEEPEST / 2);
        assert!(is_shallow(&mixed.repeat(1000)) && !is_shallow(&format!("[{mixed}]")));
        assert!(!is_shallow(&"[".repeat(100_000)));
    }

    #[test]
    fn strings_and_comments_hide_what_is_in_them_and_nothing_behind_them() {
        let many = "[".repeat(DEEPEST + 1);
        for hidden in [
            format!("{{a: \"{many}\", b: '{many}'}}"),
            format!("{{a: \"\\\"{many}\", b: '\\'{many}', c: '\"{many}'}}"),
            format!("// {many} '\n{{}}"),
            format!("/* {many} ' // **{many}**/ {{}}"),
            format!("/*/{many}*/ {{}}"),
        ] {
            assert!(is_shallow(&hidden), "{hidden}");
        }
        for open in [
            format!("'\\\\'{many}"),
            format!("\"//\"{many}"),
            format!("'/*'{many}"),
            format!("/**/{many}"),
            format!("/***/{many}"),
            format!("// '\r{many}"),
            format!("// \u{2028}{many}"),
            format!("// \u{2029}{many}"),
            format!("/ {many}"),
        ] {
            assert!(!is_shallow(&open), "{open}");
        }
    }
}
