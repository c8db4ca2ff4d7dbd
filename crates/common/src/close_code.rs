//! Codes and reasons of WebSocket close frames: which may stand in one (RFC 6455 7.4), and what is sent instead of those that may not.

/// Longest reason in a close frame, in bytes of UTF-8 (RFC 6455 5.5: 125 with the code).
pub const REASON_MAX_BYTES: usize = 123;
/// The purpose is fulfilled.
pub const NORMAL: u16 = 1000;
/// An end point goes away: a page that was left.
pub const GOING_AWAY: u16 = 1001;
/// What came is no frame that may stand there.
pub const PROTOCOL_ERROR: u16 = 1002;
/// A message is longer than is taken.
pub const TOO_BIG: u16 = 1009;
/// Something unforeseen.
pub const INTERNAL_ERROR: u16 = 1011;
/// What served the socket is being started again.
pub const SERVICE_RESTART: u16 = 1012;
/// Not now; later.
pub const TRY_AGAIN_LATER: u16 = 1013;

/// Whether the code may be sent. 1004 is reserved; 1005, 1006 and 1015 tell programs about ends without a frame and never stand in one; what is below
/// 1000, unassigned, or from 5000 on, browsers take for a broken connection.
#[must_use]
pub const fn is_legal(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

/// The code, or `instead` where it may not be sent.
#[must_use]
pub const fn legal_or(code: u16, instead: u16) -> u16 {
    if is_legal(code) { code } else { instead }
}

/// As much of a reason as fits, cut between two characters.
#[must_use]
pub fn cut_reason(reason: &str) -> &str {
    let end = reason.floor_char_boundary(REASON_MAX_BYTES);
    reason.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_codes_that_stand_in_frames_are_legal() {
        let legal: Vec<u16> = (0..=u16::MAX).filter(|code| is_legal(*code)).collect();
        assert_eq!(legal.len(), 4 + 8 + 2000);
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
            assert_eq!(legal_or(code, INTERNAL_ERROR), INTERNAL_ERROR);
        }
        assert_eq!(legal_or(4001, INTERNAL_ERROR), 4001);
    }

    proptest! {
        #[test]
        fn a_reason_is_cut_by_bytes_and_between_characters(reason in "\\PC{0,200}") {
            let cut = cut_reason(&reason);
            prop_assert!(cut.len() <= REASON_MAX_BYTES && reason.starts_with(cut));
            let next = reason[cut.len()..].chars().next();
            prop_assert!(next.is_none_or(|next| cut.len() + next.len_utf8() > REASON_MAX_BYTES), "no more would fit");
        }
    }
}
