//! zstd, and how files of format 2 say that they are compressed.

use ruzstd::decoding::StreamingDecoder;
use std::io::Read;

/// A compressed file begins with it; a plain one is JSON.
const COMPRESSED: u8 = 2;
/// A decoder asks for this much at a time.
const STEP: usize = 64 * 1024;

/// Why a text cannot be expanded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unexpanded {
    /// It is not what a compressor wrote.
    Damaged(&'static str),
    /// It is longer than it may be.
    TooLong,
}

/// Expands zstd.
///
/// # Errors
/// When it is none, or longer than `most` bytes.
pub fn inflate(text: &[u8], most: usize) -> Result<Vec<u8>, Unexpanded> {
    let mut source = text;
    let mut decoder = StreamingDecoder::new(&mut source).map_err(|_| Unexpanded::Damaged("has no zstd header"))?;
    let mut plain = Vec::new();
    loop {
        let had = plain.len();
        plain.resize(had + STEP, 0);
        let room = plain.get_mut(had..).unwrap_or_default();
        let read = decoder
            .read(room)
            .map_err(|_| Unexpanded::Damaged("is not zstd to its end"))?;
        plain.truncate(had + read);
        if plain.len() > most {
            return Err(Unexpanded::TooLong);
        }
        if read == 0 {
            break;
        }
    }
    drop(decoder);
    if source.is_empty() {
        Ok(plain)
    } else {
        Err(Unexpanded::Damaged("has more after its zstd frame"))
    }
}

/// The JSON of a file that is not a pack.
///
/// # Errors
/// As [`inflate`].
pub fn expand_file(plain: Vec<u8>, most: usize) -> Result<Vec<u8>, Unexpanded> {
    match plain.split_first() {
        Some((&COMPRESSED, text)) => inflate(text, most),
        Some((b'{' | b'[', _)) => Ok(plain),
        _ => Err(Unexpanded::Damaged("is neither JSON nor compressed")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Unexpanded, expand_file, inflate};

    #[test]
    fn what_was_compressed_comes_back_and_no_more_than_allowed() {
        for length in [0, 1, 65_536, 65_537, 3_000_000] {
            let plain: Vec<u8> = (0..length)
                .map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 27) as u8)
                .collect();
            for level in [1, 3, 19] {
                let packed = zstd::bulk::compress(&plain, level).unwrap();
                assert_eq!(
                    inflate(&packed, plain.len()).as_ref(),
                    Ok(&plain),
                    "{length} at {level}"
                );
                if length > 0 {
                    assert_eq!(inflate(&packed, plain.len() - 1), Err(Unexpanded::TooLong));
                    assert!(inflate(&packed[..packed.len() - 1], plain.len()).is_err());
                }
                let longer = [packed.as_slice(), b"x"].concat();
                assert!(inflate(&longer, plain.len()).is_err(), "{length} and more");
            }
        }
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let packed = zstd::bulk::compress(&vec![0; 64 << 20], 19).unwrap();
        assert!(packed.len() < 10_000);
        assert_eq!(inflate(&packed, 1 << 20), Err(Unexpanded::TooLong));
    }

    #[test]
    fn a_file_says_by_its_first_byte_what_it_is() {
        assert_eq!(expand_file(b"{}".to_vec(), 9).as_deref(), Ok(b"{}".as_slice()));
        let packed = [[2].as_slice(), &zstd::bulk::compress(b"{\"a\":1}", 3).unwrap()].concat();
        assert_eq!(expand_file(packed, 9).as_deref(), Ok(b"{\"a\":1}".as_slice()));
        for bad in [b"".as_slice(), b"\x02", b"\x01{}", b"x", b"\x02{}"] {
            assert!(expand_file(bad.to_vec(), 9).is_err(), "{bad:?}");
        }
    }
}
