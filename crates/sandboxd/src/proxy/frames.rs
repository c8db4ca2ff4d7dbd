//! Recognises data in the bytes that a client sends on a WebSocket. Only headers of frames are looked at, nothing is changed or kept.

/// Position within the frames of one direction (RFC 6455 5.2). Fed with pieces of any size.
#[derive(Debug, Default)]
pub struct FrameScanner {
    /// Bytes of the current header so far.
    header: [u8; HEADER_BYTES],
    have: usize,
    /// Bytes of payload and mask that are still to come before the next header.
    skip: u64,
}

/// Largest header without the mask: two bytes and eight of length.
const HEADER_BYTES: usize = 10;
const MASK_BYTES: u64 = 4;

impl FrameScanner {
    /// Whether `bytes` contain the start of, or a part of, a frame with data. Pings, pongs and closes are sent by the browser itself and
    /// are no sign of a person.
    pub fn sees_data(&mut self, mut bytes: &[u8]) -> bool {
        let mut data = false;
        while !bytes.is_empty() {
            if self.skip > 0 {
                let step = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
                self.skip -= step as u64;
                bytes = bytes.get(step..).unwrap_or_default();
                continue;
            }
            if let (Some(place), Some((byte, rest))) = (self.header.get_mut(self.have), bytes.split_first()) {
                *place = *byte;
                self.have += 1;
                bytes = rest;
            }
            if let Some((opcode, skip)) = self.complete_header() {
                // Continuation, text and binary are below 8.
                data |= opcode < 8;
                self.skip = skip;
                self.have = 0;
            }
        }
        data
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

    fn frame(opcode: u8, length: usize) -> Vec<u8> {
        let mut bytes = vec![0x80 | opcode];
        match length {
            0..126 => bytes.push(0x80 | length as u8),
            126..65536 => {
                bytes.push(0x80 | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(0x80 | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        bytes.extend([1, 2, 3, 4]);
        // A payload that looks like headers of data frames.
        bytes.extend(std::iter::repeat_n(0x81, length));
        bytes
    }

    #[test]
    fn only_frames_with_data_count() {
        for opcode in [0, 1, 2] {
            assert!(FrameScanner::default().sees_data(&frame(opcode, 5)));
        }
        for opcode in [8, 9, 10] {
            assert!(!FrameScanner::default().sees_data(&frame(opcode, 100)));
        }
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_give_the_same_answer(
            frames in proptest::collection::vec((prop_oneof![Just(1_u8), Just(2), Just(8), Just(9), Just(10)], prop_oneof![0_usize..5, 120_usize..130, 65530_usize..65540]), 1..5),
            size in 1_usize..1000,
        ) {
            let bytes: Vec<u8> = frames.iter().flat_map(|(opcode, length)| frame(*opcode, *length)).collect();
            let mut scanner = FrameScanner::default();
            let mut seen = false;
            for piece in bytes.chunks(size) {
                seen |= scanner.sees_data(piece);
            }
            prop_assert_eq!(seen, frames.iter().any(|(opcode, _)| *opcode < 8));
            prop_assert_eq!((scanner.skip, scanner.have), (0, 0));
        }
    }
}
