//! Control frames of a WebSocket that passes through (RFC 6455 5.5): the only ones that are looked into. Pure.

use molt_common::close_code::{INTERNAL_ERROR, NORMAL, PROTOCOL_ERROR, cut_reason, legal_or};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;

use super::heartbeat;

const CLOSE: u8 = 8;
const PONG: u8 = 10;
/// Longest payload of a control frame.
const PAYLOAD_MAX: usize = 125;
const MASK_BYTES: usize = 4;

/// Where a frame goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Towards {
    /// Unmasked.
    Client,
    /// Masked, as a client's are (5.1).
    Agent,
}

/// What becomes of a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Passes as it is.
    Pass,
    /// These bytes pass instead, perhaps none.
    Instead(Vec<u8>),
}

/// What the beginning of a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// More has to come before it is known.
    Unknown,
    /// Data, or what no control frame may be: none of our business.
    Other,
    /// A control frame of so many bytes in all.
    Control(usize),
}

/// Reads the first bytes of a frame.
pub fn start(bytes: &[u8]) -> Start {
    let Some(first) = bytes.first() else {
        return Start::Unknown;
    };
    let (last, opcode) = (first & 0x80 != 0, first & 0x0F);
    if opcode < CLOSE || !last {
        return Start::Other;
    }
    match bytes.get(1) {
        None => Start::Unknown,
        Some(second) => match usize::from(second & 0x7F) {
            length if length > PAYLOAD_MAX => Start::Other,
            length => Start::Control(2 + length + if second & 0x80 == 0 { 0 } else { MASK_BYTES }),
        },
    }
}

/// What becomes of a whole control frame on its way.
pub fn judge(frame: &[u8], towards: Towards) -> Verdict {
    let payload = payload(frame);
    match (frame.first().map(|first| first & 0x0F), towards) {
        (Some(CLOSE), _) => close(&payload, towards),
        // An answer to a ping of ours, which the agent never sent.
        (Some(PONG), Towards::Agent) if payload == heartbeat::PAYLOAD => Verdict::Instead(Vec::new()),
        _ => Verdict::Pass,
    }
}

fn close(payload: &[u8], towards: Towards) -> Verdict {
    let Some((code, reason)) = payload.split_at_checked(2) else {
        return match towards {
            // Browsers would tell the page 1005, which means that nobody said anything.
            Towards::Client => Verdict::Instead(close_frame(NORMAL, "", towards)),
            Towards::Agent if payload.is_empty() => Verdict::Pass,
            Towards::Agent => Verdict::Instead(close_frame(PROTOCOL_ERROR, "", towards)),
        };
    };
    let stated = code.iter().fold(0, |code, byte| code << 8 | u16::from(*byte));
    let instead = match towards {
        Towards::Client => INTERNAL_ERROR,
        Towards::Agent => PROTOCOL_ERROR,
    };
    let code = legal_or(stated, instead);
    match std::str::from_utf8(reason) {
        Ok(_) if code == stated => Verdict::Pass,
        _ => Verdict::Instead(close_frame(code, &String::from_utf8_lossy(reason), towards)),
    }
}

/// A whole close frame; its reason is cut to what fits.
pub fn close_frame(code: u16, reason: &str, towards: Towards) -> Vec<u8> {
    bytes(
        Frame::close(Some(CloseFrame {
            code: code.into(),
            reason: cut_reason(reason).into(),
        })),
        towards,
    )
}

/// A ping of ours for a client.
pub fn ping() -> Vec<u8> {
    bytes(Frame::ping(heartbeat::PAYLOAD), Towards::Client)
}

fn bytes(mut frame: Frame, towards: Towards) -> Vec<u8> {
    frame.header_mut().mask = match towards {
        Towards::Client => None,
        Towards::Agent => Some(mask()),
    };
    let mut bytes = Vec::with_capacity(2 + MASK_BYTES + PAYLOAD_MAX);
    // Writing to memory cannot fail.
    let _ = frame.format(&mut bytes);
    bytes
}

/// Nobody may be able to foresee it (RFC 6455 5.3).
fn mask() -> [u8; MASK_BYTES] {
    let [a, b, c, d, ..] = uuid::Uuid::new_v4().into_bytes();
    [a, b, c, d]
}

/// What a whole control frame carries.
fn payload(frame: &[u8]) -> Vec<u8> {
    let masked = frame.get(1).is_some_and(|second| second & 0x80 != 0);
    let rest = frame.get(2..).unwrap_or_default();
    match rest.split_at_checked(MASK_BYTES) {
        Some((mask, rest)) if masked => rest.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect(),
        _ => rest.to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use molt_common::control::SessionEnd;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn close_frames_are_as_the_standard_has_them() {
        for end in [SessionEnd::Expired, SessionEnd::SignedOut, SessionEnd::Suspended] {
            let plain = close_frame(end.close_code(), end.reason(), Towards::Client);
            let length = 2 + end.reason().len();
            assert!(length <= 125);
            assert_eq!(plain[..2], [0x88, length as u8]);
            assert_eq!(plain[2..4], end.close_code().to_be_bytes());
            assert_eq!(&plain[4..], end.reason().as_bytes());
            let masked = close_frame(end.close_code(), end.reason(), Towards::Agent);
            assert_eq!(masked[..2], [0x88, 0x80 | length as u8]);
            assert_eq!(payload(&masked), plain[2..]);
            assert_eq!(judge(&masked, Towards::Agent), Verdict::Pass);
        }
    }

    fn raw(code: u16, reason: &[u8]) -> Vec<u8> {
        let mut frame = vec![0x88, 2 + reason.len() as u8];
        frame.extend(code.to_be_bytes());
        frame.extend(reason);
        frame
    }

    #[test]
    fn codes_that_may_not_be_sent_are_replaced() {
        for (towards, instead) in [(Towards::Client, INTERNAL_ERROR), (Towards::Agent, PROTOCOL_ERROR)] {
            for code in [0, 999, 1005, 1006, 1015, 2000, 5000] {
                let Verdict::Instead(frame) = judge(&raw(code, b"why"), towards) else {
                    panic!("{code} passed")
                };
                assert_eq!(payload(&frame), [&instead.to_be_bytes()[..], b"why"].concat());
            }
            for code in [1000, 1001, 1012, 3000, 4402] {
                assert_eq!(judge(&raw(code, "Grüße".as_bytes()), towards), Verdict::Pass);
            }
            assert!(matches!(judge(&raw(1000, &[0xFF]), towards), Verdict::Instead(_)));
        }
        let Verdict::Instead(frame) = judge(&[0x88, 0], Towards::Client) else {
            panic!()
        };
        assert_eq!(payload(&frame), NORMAL.to_be_bytes());
        assert_eq!(judge(&[0x88, 0], Towards::Agent), Verdict::Pass);
    }

    #[test]
    fn only_answers_to_our_pings_are_kept_from_the_agent() {
        let mut pong = ping();
        pong[0] = 0x8A;
        assert_eq!(judge(&pong, Towards::Agent), Verdict::Instead(Vec::new()));
        assert_eq!(judge(&pong, Towards::Client), Verdict::Pass);
        assert_eq!(judge(&[0x8A, 0], Towards::Agent), Verdict::Pass);
        assert_eq!(judge(&ping(), Towards::Client), Verdict::Pass);
    }

    proptest! {
        #[test]
        fn whatever_a_close_says_what_is_sent_is_legal(payload_bytes in proptest::collection::vec(any::<u8>(), 0..=125), client in any::<bool>()) {
            let towards = if client { Towards::Client } else { Towards::Agent };
            let mut frame = vec![0x88, payload_bytes.len() as u8];
            frame.extend(&payload_bytes);
            prop_assert_eq!(start(&frame), Start::Control(frame.len()));
            let sent = match judge(&frame, towards) {
                Verdict::Pass => frame,
                Verdict::Instead(bytes) => bytes,
            };
            prop_assert_eq!(start(&sent), Start::Control(sent.len()));
            let said = payload(&sent);
            prop_assert!(said.is_empty() || molt_common::close_code::is_legal(u16::from_be_bytes([said[0], said[1]])));
            prop_assert!(said.is_empty() || std::str::from_utf8(&said[2..]).is_ok());
            prop_assert!(said.len() <= 125);
        }
    }
}
