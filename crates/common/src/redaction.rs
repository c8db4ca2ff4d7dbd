//! What may not reach a log: values of query parameters whose name or value looks like a credential.

const WORDS: [&str; 7] = ["secret", "token", "key", "password", "auth", "credential", "code"];

/// A query string (without `?`) as it may be logged: `a=1&token=[redacted]`.
#[must_use]
pub fn query(raw: &str) -> String {
    raw.split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, value)) if suspicious(name) || suspicious(value) || value.len() > 64 => {
                format!("{name}=[redacted]")
            }
            _ if suspicious(pair) && !pair.contains('=') => "[redacted]".to_owned(),
            _ => pair.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("&")
}

fn suspicious(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
}

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn credentials_are_masked_by_name_and_by_value() {
        assert_eq!(query("a=1&access_token=abc&B=2"), "a=1&access_token=[redacted]&B=2");
        assert_eq!(query("x=my-SECRET-thing"), "x=[redacted]");
        assert_eq!(query(&format!("x={}", "a".repeat(65))), "x=[redacted]");
        assert_eq!(query("tokenabc"), "[redacted]");
        assert_eq!(query(""), "");
    }
}
