//! Takes what looks like a credential out of a log line. The agent's output is shown to people who operate the fleet, not only to its
//! owner, so a key that the agent happens to print must not travel with it.

use std::sync::LazyLock;

use regex::{Captures, Regex};

const MASK: &str = "[redacted]";

/// `name=value`, `"name": "value"`, `name: Bearer value` for names that announce a secret.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?i)((?:[a-z0-9_-]*(?:token|secret|passw(?:or)?d|api[_-]?key|private[_-]?key|credential)s?|authorization|cookie)["']?\s*[=:]\s*["']?)((?:bearer|basic)\s+)?([^\s"',;&]{4,})"#,
    )
    .ok()
});

/// Shapes that are secrets whatever stands before them.
static SHAPED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(concat!(
        r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
        r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{12,}",
        r"|\b(?:gh[pousr]|github_pat|glpat|npm)_?-?[A-Za-z0-9_]{20,}",
        r"|\bxox[abeprs]-[A-Za-z0-9-]{10,}",
        r"|\bA(?:KIA|SIA)[A-Z0-9]{16}\b",
        r"|\bAIza[A-Za-z0-9_-]{30,}",
        r"|\b\d{8,10}:[A-Za-z0-9_-]{35}\b",
        r"|(?i:\bbearer\s+)[A-Za-z0-9._~+/=-]{8,}",
        r"|//[^/\s:@]+:[^/\s:@]+@",
    ))
    .ok()
});

/// Long runs of letters and digits; masked only when both occur, so that words and numbers stay readable.
static OPAQUE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[A-Za-z0-9_+=-]{32,}").ok());

/// The line with everything that looks like a credential replaced by `[redacted]`.
pub fn redact(line: &str) -> String {
    // A pattern that did not compile must hide the line, not show it; a test makes sure that all three do.
    let (Some(named), Some(shaped), Some(opaque)) = (NAMED.as_ref(), SHAPED.as_ref(), OPAQUE.as_ref()) else {
        return MASK.to_owned();
    };
    let line = named.replace_all(line, |found: &Captures<'_>| {
        let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
        format!("{}{}{MASK}", part(1), part(2))
    });
    let line = shaped.replace_all(&line, |found: &Captures<'_>| {
        let text = found.get(0).map_or("", |part| part.as_str());
        if text.starts_with("//") {
            format!("//{MASK}@")
        } else {
            MASK.to_owned()
        }
    });
    opaque
        .replace_all(&line, |found: &Captures<'_>| {
            let text = found.get(0).map_or("", |part| part.as_str());
            if is_opaque(text) {
                MASK.to_owned()
            } else {
                text.to_owned()
            }
        })
        .into_owned()
}

/// Whether a long run reads like random characters. UUIDs stay: they name users, requests and sessions, and a log without them is no help.
fn is_opaque(text: &str) -> bool {
    let is_uuid = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let letters = text.bytes().filter(u8::is_ascii_alphabetic).count();
    !is_uuid && digits >= 3 && letters >= 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_every_shape_are_masked() {
        let secrets = [
            (
                "sk-proj-abcdefghijklmnop1234",
                "key sk-proj-abcdefghijklmnop1234 loaded",
            ),
            ("hunter22", r#"{"password":"hunter22","user":"ann"}"#),
            ("hunter22", "GATEWAY_TOKEN=hunter22 started"),
            ("c2VjcmV0", "authorization: Basic c2VjcmV0"),
            ("abcdefgh12", "sent Bearer abcdefgh12"),
            (
                "eyJhbGciOiJIUzI1NiJ9",
                "jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def",
            ),
            ("hunter22", "postgres://ann:hunter22@db/x"),
            (
                "0123456789abcdef0123456789abcdef",
                "id 0123456789abcdef0123456789abcdef",
            ),
            ("AKIAABCDEFGHIJKLMNOP", "aws AKIAABCDEFGHIJKLMNOP"),
            (
                "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
                "bot 110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
            ),
        ];
        for (secret, line) in secrets {
            let shown = redact(line);
            assert!(!shown.contains(secret), "{line:?} became {shown:?}");
            assert!(shown.contains(MASK), "{line:?} became {shown:?}");
        }
    }

    #[test]
    fn ordinary_lines_stay_as_they_are() {
        for line in [
            "[gateway] http server listening (14 plugins: anthropic, browser; 3.3s)",
            "user 6f1c2a3e-1111-4222-8333-444455556666 connected",
            "open /home/agent/.openclaw/agents/main/sessions/index.json",
            "2026-11-21T02:23:20.973+00:00 [gateway] ready",
            "",
        ] {
            assert_eq!(redact(line), line);
        }
    }
}
