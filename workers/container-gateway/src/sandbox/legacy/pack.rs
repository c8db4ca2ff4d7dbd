//! An archive's compression, in bounded memory: parts of one length going out, a sum over what was packed.

use flate2::Compression;
use flate2::write::{GzDecoder, GzEncoder};
use sha2::{Digest, Sha256};
use std::io::{self, Write};

/// Bytes of a part: R2 takes none under 5 MiB but the last, and all but that must be equally long.
const PART: usize = 8 * 1024 * 1024;

/// Packs.
pub struct Packer {
    gzip: GzEncoder<Vec<u8>>,
    sum: Sha256,
}

impl Packer {
    /// Nothing yet.
    pub fn new() -> Self {
        Self {
            gzip: GzEncoder::new(Vec::new(), Compression::fast()),
            sum: Sha256::new(),
        }
    }

    /// More.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sum.update(bytes);
        self.gzip.write_all(bytes)
    }

    /// A part that is full.
    pub fn part(&mut self) -> Option<Vec<u8>> {
        cut(self.gzip.get_mut())
    }

    /// What is left, at least one part, and the sum of all that was packed.
    pub fn end(self) -> io::Result<(Vec<Vec<u8>>, [u8; 32])> {
        let mut rest = self.gzip.finish()?;
        let mut parts = Vec::new();
        while let Some(part) = cut(&mut rest) {
            parts.push(part);
        }
        if !rest.is_empty() {
            parts.push(rest);
        }
        Ok((parts, self.sum.finalize().into()))
    }
}

fn cut(bytes: &mut Vec<u8>) -> Option<Vec<u8>> {
    if bytes.len() < PART {
        return None;
    }
    let rest = bytes.split_off(PART);
    Some(std::mem::replace(bytes, rest))
}

/// Unpacks, and keeps nothing but the sum.
pub struct Unpacker(GzDecoder<Sum>);

struct Sum(Sha256);

impl Write for Sum {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unpacker {
    /// Nothing yet.
    pub fn new() -> Self {
        Self(GzDecoder::new(Sum(Sha256::new())))
    }

    /// More of the archive.
    pub fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    /// The sum of what it held; its own checksum must agree.
    pub fn end(self) -> io::Result<[u8; 32]> {
        Ok(self.0.finish()?.0.finalize().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equally_long_and_hold_what_was_packed() -> io::Result<()> {
        let noise: Vec<u8> = (0..3_000_000_u64)
            .flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes())
            .collect();
        let mut packer = Packer::new();
        let mut parts = Vec::new();
        for piece in noise.chunks(1_000_000) {
            packer.add(piece)?;
            parts.extend(std::iter::from_fn(|| packer.part()));
        }
        let (rest, sum) = packer.end()?;
        parts.extend(rest);
        let (last, full) = parts.split_last().ok_or_else(|| io::Error::other("no part"))?;
        assert!(parts.len() > 2 && full.iter().all(|part| part.len() == PART) && (1..=PART).contains(&last.len()));
        let whole = parts.concat();
        let unpacked = |bytes: &[u8]| {
            let mut unpacker = Unpacker::new();
            unpacker.add(bytes).and_then(|()| unpacker.end())
        };
        assert_eq!(unpacked(&whole)?, sum);
        assert_eq!(sum, <[u8; 32]>::from(Sha256::digest(&noise)));
        let (_, cut) = whole.split_last().ok_or_else(|| io::Error::other("nothing"))?;
        assert!(unpacked(cut).is_err());
        let mut harmed = whole.clone();
        if let Some(byte) = harmed.iter_mut().rev().nth(5) {
            *byte ^= 1;
        }
        assert!(unpacked(&harmed).is_err());
        Ok(())
    }
}
