//! Why the agent is not there, in words that say what to do where something can be done. Pure.

use molt_common::control::LAST_LINES;

use crate::process::exit::Exit;

/// Lines of its output that go into a cause, and characters of them, the last ones.
const LINES: usize = 8;
const CHARS: usize = 1500;
/// The agent's exit code for a configuration that it refuses (EX_CONFIG of sysexits.h).
const EX_CONFIG: i32 = 78;

/// Of an end that was not asked for. `memory` are the words for a lack of memory that the kernel has counted.
pub fn of_end(exit: Exit, memory: Option<String>, lines: &[String]) -> String {
    let what = memory.unwrap_or_else(|| match exit.code {
        Some(EX_CONFIG) => format!(
            "{exit}: the agent refuses its configuration (~/.openclaw/openclaw.json); correct it, or run \"openclaw doctor --fix\""
        ),
        _ => exit.to_string(),
    });
    with_lines(what, lines)
}

/// Of a start that took too long.
pub fn of_slow_start(milliseconds: u64, lines: &[String]) -> String {
    with_lines(format!("not ready within {milliseconds} ms"), lines)
}

/// `cause` with the agent's own last words.
pub fn with_lines(mut cause: String, lines: &[String]) -> String {
    let last = lines
        .get(lines.len().saturating_sub(LINES)..)
        .unwrap_or_default()
        .join(" | ");
    if !last.is_empty() {
        let surplus = last.chars().count().saturating_sub(CHARS);
        cause.push_str(LAST_LINES);
        cause.extend(last.chars().skip(surplus));
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn code(code: i32) -> Exit {
        Exit {
            code: Some(code),
            signal: None,
        }
    }

    #[test]
    fn a_cause_names_the_exit_and_the_last_lines() {
        let ten: Vec<String> = (1..=10).map(|line| line.to_string()).collect();
        assert_eq!(
            of_end(code(3), None, &ten),
            "exit code 3; last lines: 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10"
        );
        let endless = vec!["ä".repeat(5000)];
        assert_eq!(
            of_end(code(3), None, &endless).chars().count(),
            "exit code 3; last lines: ".len() + CHARS
        );
        let killed = Exit {
            code: None,
            signal: Some(9),
        };
        assert_eq!(of_end(killed, None, &[]), "signal 9 (SIGKILL)");
        assert_eq!(of_end(killed, Some("memory ran out".to_owned()), &[]), "memory ran out");
    }

    #[test]
    fn a_refused_configuration_says_what_to_do() {
        let words = ["Config invalid: unknown key \"x\"".to_owned()];
        let cause = of_end(code(EX_CONFIG), None, &words);
        assert!(
            cause.starts_with("exit code 78: the agent refuses its configuration"),
            "{cause}"
        );
        assert!(
            cause.contains("openclaw doctor --fix") && cause.contains("unknown key"),
            "{cause}"
        );
    }
}
