//! Signals by the names and numbers that an engine's clients use.

use std::str::FromStr;

use nix::sys::signal::Signal;

/// `SIGTERM`, `TERM`, `sigterm` or `15`; `None` for what is no signal.
pub fn parse(text: &str) -> Option<Signal> {
    if let Ok(number) = text.parse::<i32>() {
        return Signal::try_from(number).ok();
    }
    let name = text.to_ascii_uppercase();
    let name = if name.starts_with("SIG") {
        name
    } else {
        format!("SIG{name}")
    };
    Signal::from_str(&name).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_and_without_prefix_and_numbers_mean_the_same() {
        for text in ["SIGTERM", "TERM", "term", "15"] {
            assert_eq!(parse(text), Some(Signal::SIGTERM), "{text}");
        }
        for text in ["", "0", "-9", "99", "SIGNOPE", "SIG"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
