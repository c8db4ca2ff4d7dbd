//! Where frames begin and end in the bytes of a WebSocket, and which of them carry data. Only headers are looked at, nothing is changed or kept.

/// Position within the frames of one direction (RFC 6455 5.2). Fed with pieces of any size.
#[derive(Clone, Debug, Default)]
pub struct FrameScanner {
    /// Bytes of the current header so far.
    header: [u8; HEADER_BYTES],
    have: usize,
    /// Opcode of the frame of which `skip` is the rest.
    opcode: u8,
    /// Bytes of payload and mask that are still to come before the next header.
    skip: u64,
    closed: bool,
}

/// Largest header without the mask: two bytes and eight of length.
const HEADER_BYTES: usize = 10;
const MASK_BYTES: u64 = 4;
const CLOSE: u8 = 8;

impl FrameScanner {
    /// Whether `bytes`, which come next, contain the start of, or a part of, a frame with data. Pings, pongs and closes are sent by the
    /// browser itself and are no sign of a person.
    pub fn sees_data(&mut self, mut bytes: &[u8]) -> bool {
        let mut data = false;
        while !bytes.is_empty() {
            let taken = self.take_frame(bytes);
            // Continuation, text and binary are below 8. A header that is not whole yet tells nothing.
            data |= self.have == 0 && self.opcode < CLOSE;
            bytes = bytes.get(taken..).unwrap_or_default();
        }
        data
    }

    /// Whether the bytes so far are whole frames: only here may another frame be put in, also between the parts of one message (5.4).
    pub const fn at_boundary(&self) -> bool {
        self.skip == 0 && self.have == 0
    }

    /// How many of `bytes`, which come next, belong to the frame that has begun: 0 at a boundary, all of them when it goes on after them.
    pub fn to_boundary(&self, bytes: &[u8]) -> usize {
        if self.at_boundary() {
            0
        } else {
            self.clone().take_frame(bytes)
        }
    }

    /// How many of `bytes`, which come next, come before the next control frame: all of them when there is none.
    pub fn until_control(&self, bytes: &[u8]) -> usize {
        let mut ahead = self.clone();
        let mut passed = 0;
        while let Some(rest) = bytes.get(passed..).filter(|rest| !rest.is_empty()) {
            if ahead.at_boundary() && rest.first().is_some_and(|first| first & 0x0F >= CLOSE) && passed > 0 {
                break;
            }
            passed += ahead.take_frame(rest);
        }
        passed
    }

    /// Whether a whole close frame has passed: nothing may follow it in this direction (5.5.1).
    pub const fn closed(&self) -> bool {
        self.closed
    }

    /// Goes on by the bytes that belong to one frame, and tells how many those are.
    fn take_frame(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while let Some((byte, rest)) = bytes.get(taken..).and_then(<[u8]>::split_first) {
            if self.skip == 0 {
                if let Some(place) = self.header.get_mut(self.have) {
                    *place = *byte;
                    self.have += 1;
                }
                taken += 1;
                let Some((opcode, skip)) = self.complete_header() else {
                    continue;
                };
                (self.opcode, self.skip, self.have) = (opcode, skip, 0);
            } else {
                let available = rest.len() + 1;
                let step = usize::try_from(self.skip).unwrap_or(usize::MAX).min(available);
                self.skip -= step as u64;
                taken += step;
            }
            if self.skip == 0 {
                self.closed |= self.opcode == CLOSE;
                break;
            }
        }
        taken
    }

    /// Opcode and remaining bytes of the frame, once its header is there.
    fn complete_header(&self) -> Option<(u8, u64)> {
        let header = self.header.get(..self.have)?;
        let (first, second) = (*header.first()?, *header.get(1)?);
        let length = match second & 0x7F {
            126 => u64::from(u16::from_be_bytes(header.get(2..4)?.try_into().ok()?)),
            127 => u64::from_be_bytes(header.get(2..10)?.try_into().ok()?),
            short => u64::from(short),
        };
        let mask = if second & 0x80 == 0 { 0 } else { MASK_BYTES };
        Some((first & 0x0F, length.saturating_add(mask)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut bytes = vec![0x80 | opcode];
        match length {
            0..126 => bytes.push(mask | length as u8),
            126..65536 => {
                bytes.push(mask | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        if masked {
            bytes.extend([1, 2, 3, 4]);
        }
        // A payload that looks like headers of data frames.
        bytes.extend(std::iter::repeat_n(0x81, length));
        bytes
    }

    #[test]
    fn only_frames_with_data_count() {
        for opcode in [0, 1, 2] {
            assert!(FrameScanner::default().sees_data(&frame(opcode, 5, true)));
        }
        for opcode in [8, 9, 10] {
            assert!(!FrameScanner::default().sees_data(&frame(opcode, 100, true)));
        }
    }

    #[test]
    fn a_close_counts_once_it_is_whole() {
        let bytes = frame(8, 2, false);
        let mut scanner = FrameScanner::default();
        scanner.sees_data(&bytes[..3]);
        assert!(!scanner.closed());
        scanner.sees_data(&bytes[3..]);
        assert!(scanner.closed());
        assert!(!{
            let mut scanner = FrameScanner::default();
            scanner.sees_data(&frame(9, 2, false));
            scanner.closed()
        });
    }

    fn frames() -> impl Strategy<Value = Vec<(u8, usize, bool)>> {
        let opcode = prop_oneof![Just(0_u8), Just(1), Just(2), Just(8), Just(9), Just(10)];
        let length = prop_oneof![0_usize..5, 120_usize..130, 65530_usize..65540];
        proptest::collection::vec((opcode, length, any::<bool>()), 1..5)
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_answer(frames in frames(), size in 1_usize..1000) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(opcode, length, masked)| frame(*opcode, *length, *masked)).collect();
            let mut scanner = FrameScanner::default();
            let mut seen = false;
            for piece in bytes.chunks(size) {
                seen |= scanner.sees_data(piece);
            }
            prop_assert_eq!(seen, frames.iter().any(|(opcode, _, _)| *opcode < 8));
            prop_assert!(scanner.at_boundary());
        }

        #[test]
        fn boundaries_are_where_frames_end_and_nowhere_else(frames in frames(), cut in any::<proptest::sample::Index>(), size in 1_usize..1000) {
            let mut ends = vec![0];
            let mut bytes = Vec::new();
            for (opcode, length, masked) in &frames {
                bytes.extend(frame(*opcode, *length, *masked));
                ends.push(bytes.len());
            }
            let cut = cut.index(bytes.len() + 1);
            let mut scanner = FrameScanner::default();
            for piece in bytes[..cut].chunks(size) {
                scanner.sees_data(piece);
            }
            prop_assert_eq!(scanner.at_boundary(), ends.contains(&cut));
            let next = ends.iter().find(|end| **end >= cut).unwrap();
            prop_assert_eq!(scanner.to_boundary(&bytes[cut..]), next - cut);
            let part = (bytes.len() - cut).min(7);
            prop_assert_eq!(scanner.to_boundary(&bytes[cut..cut + part]), (next - cut).min(part));
        }
    }
}
