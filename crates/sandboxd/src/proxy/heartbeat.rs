//! When a silent client is asked whether it is still there, and when it is taken to be gone. Pure.
//!
//! Browsers answer a ping by themselves, and neither is data: an open tab is no activity.

use std::time::Duration;

/// Silence after which a client is asked. Shorter than what gateways on the way keep an idle connection for.
pub const ASK_AFTER: Duration = Duration::from_secs(25);
/// Silence after that.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// What our pings carry, by which their answers are known.
pub const PAYLOAD: &[u8] = b"molt";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// Nothing for so long.
    Wait(Duration),
    /// Ask.
    Ping,
    /// Nobody is there.
    Gone,
}

/// What to do after so long a silence. `asked` since something came last.
pub fn beat(silence: Duration, asked: bool) -> Beat {
    let until = if asked { ASK_AFTER + ANSWER_WITHIN } else { ASK_AFTER };
    match until.checked_sub(silence) {
        Some(left) if !left.is_zero() => Beat::Wait(left),
        _ if asked => Beat::Gone,
        _ => Beat::Ping,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_client_is_asked_once_and_then_given_up() {
        let second = Duration::from_secs(1);
        assert_eq!(beat(Duration::ZERO, false), Beat::Wait(ASK_AFTER));
        assert_eq!(beat(ASK_AFTER - second, false), Beat::Wait(second));
        assert_eq!(beat(ASK_AFTER, false), Beat::Ping);
        assert_eq!(beat(ASK_AFTER, true), Beat::Wait(ANSWER_WITHIN));
        assert_eq!(beat(ASK_AFTER + ANSWER_WITHIN, true), Beat::Gone);
        assert_eq!(beat(Duration::MAX, false), Beat::Ping, "it has to be asked first");
    }
}
