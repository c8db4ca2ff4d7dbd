//! Making and undoing content codings, piece by piece, with bounded memory.

use std::io::{self, Write};

use brotli::{CompressorWriter, DecompressorWriter};
use flate2::write::{GzEncoder, MultiGzDecoder, ZlibDecoder};
use molt_common::content_coding::Coding;
use zstd::stream::write::{Decoder as ZstdDecoder, Encoder as ZstdEncoder};

/// Bytes that brotli takes at a time.
const BROTLI_BUFFER: usize = 16 * 1024;
/// Of what costs as much as gzip's usual level, the smaller result.
const BROTLI_QUALITY: u32 = 4;
/// Windows of 256 KiB: pages are not longer, and several are under way at once.
const WINDOW_LOG: u32 = 18;
const ZSTD_LEVEL: i32 = 3;
/// The largest window that RFC 8878 asks every decoder for (8 MiB).
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// A coding at work, on its way into a buffer.
pub enum Coder {
    /// Makes `br`.
    ToBrotli(Box<CompressorWriter<Vec<u8>>>),
    /// Makes `gzip`.
    ToGzip(GzEncoder<Vec<u8>>),
    /// Makes `zstd`.
    ToZstd(ZstdEncoder<'static, Vec<u8>>),
    /// Undoes `br`.
    FromBrotli(Box<DecompressorWriter<Vec<u8>>>),
    /// Undoes `gzip`.
    FromGzip(MultiGzDecoder<Vec<u8>>),
    /// Undoes `deflate`.
    FromDeflate(ZlibDecoder<Vec<u8>>),
    /// Undoes `zstd`.
    FromZstd(ZstdDecoder<'static, Vec<u8>>),
}

impl Coder {
    /// Makes a coding.
    ///
    /// # Errors
    /// When there is no memory for it; also for one that is never made.
    pub fn making(coding: Coding) -> io::Result<Self> {
        let out = Vec::new();
        Ok(match coding {
            Coding::Brotli => Self::ToBrotli(Box::new(CompressorWriter::new(
                out,
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                WINDOW_LOG,
            ))),
            Coding::Gzip => Self::ToGzip(GzEncoder::new(out, flate2::Compression::default())),
            Coding::Zstd => {
                let mut encoder = ZstdEncoder::new(out, ZSTD_LEVEL)?;
                encoder.window_log(WINDOW_LOG)?;
                Self::ToZstd(encoder)
            }
            Coding::Deflate => return Err(io::Error::other("deflate is never made")),
        })
    }

    /// Undoes a coding.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn undoing(coding: Coding) -> io::Result<Self> {
        let out = Vec::new();
        Ok(match coding {
            Coding::Brotli => Self::FromBrotli(Box::new(DecompressorWriter::new(out, BROTLI_BUFFER))),
            Coding::Gzip => Self::FromGzip(MultiGzDecoder::new(out)),
            Coding::Deflate => Self::FromDeflate(ZlibDecoder::new(out)),
            Coding::Zstd => {
                let mut decoder = ZstdDecoder::new(out)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
                Self::FromZstd(decoder)
            }
        })
    }

    fn writer(&mut self) -> &mut dyn Write {
        match self {
            Self::ToBrotli(writer) => writer,
            Self::ToGzip(writer) => writer,
            Self::ToZstd(writer) => writer,
            Self::FromBrotli(writer) => writer,
            Self::FromGzip(writer) => writer,
            Self::FromDeflate(writer) => writer,
            Self::FromZstd(writer) => writer,
        }
    }

    fn out(&mut self) -> &mut Vec<u8> {
        match self {
            Self::ToBrotli(writer) => writer.get_mut(),
            Self::ToGzip(writer) => writer.get_mut(),
            Self::ToZstd(writer) => writer.get_mut(),
            Self::FromBrotli(writer) => writer.get_mut(),
            Self::FromGzip(writer) => writer.get_mut(),
            Self::FromDeflate(writer) => writer.get_mut(),
            Self::FromZstd(writer) => writer.get_mut(),
        }
    }

    /// Takes input.
    ///
    /// # Errors
    /// When it is not of the coding that is undone.
    pub fn push(&mut self, input: &[u8]) -> io::Result<()> {
        self.writer().write_all(input)
    }

    /// Has everything that was taken stand in the output.
    ///
    /// # Errors
    /// See [`Self::push`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }

    /// What there is of output.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(self.out())
    }

    /// Bytes of output that wait to be taken.
    pub fn waiting(&mut self) -> usize {
        self.out().len()
    }

    /// The rest of the output.
    ///
    /// # Errors
    /// When the input was not whole.
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::ToBrotli(writer) => Ok(writer.into_inner()),
            Self::ToGzip(writer) => writer.finish(),
            Self::ToZstd(writer) => writer.finish(),
            Self::FromBrotli(mut writer) => {
                writer.close()?;
                Ok(std::mem::take(writer.get_mut()))
            }
            Self::FromGzip(writer) => writer.finish(),
            Self::FromDeflate(writer) => writer.finish(),
            Self::FromZstd(mut writer) => {
                writer.flush()?;
                Ok(writer.into_inner())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Coder;
    use molt_common::content_coding::Coding;

    fn undone(coding: Coding, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut coder = Coder::undoing(coding)?;
        let mut out = Vec::new();
        for piece in bytes.chunks(7) {
            coder.push(piece)?;
            out.extend(coder.take());
        }
        out.extend(coder.finish()?);
        Ok(out)
    }

    #[test]
    fn what_is_made_can_be_undone() {
        let text: Vec<u8> = (0..200_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for coding in [Coding::Brotli, Coding::Gzip, Coding::Zstd] {
            let mut coder = Coder::making(coding).unwrap();
            let mut made = Vec::new();
            for piece in text.chunks(30_011) {
                coder.push(piece).unwrap();
                made.extend(coder.take());
            }
            made.extend(coder.finish().unwrap());
            assert!(made.len() < text.len() / 2, "{coding:?}: {} bytes", made.len());
            assert!(undone(coding, &made).unwrap() == text, "{coding:?}");
        }
    }

    #[test]
    fn what_was_flushed_can_be_read_before_the_end() {
        for coding in [Coding::Brotli, Coding::Gzip, Coding::Zstd] {
            let mut coder = Coder::making(coding).unwrap();
            coder.push(b"the first words").unwrap();
            coder.flush().unwrap();
            let mut reader = Coder::undoing(coding).unwrap();
            reader.push(&coder.take()).unwrap();
            reader.flush().unwrap();
            assert_eq!(reader.take(), b"the first words", "{coding:?}");
        }
    }

    #[test]
    fn what_is_not_of_the_coding_is_refused() {
        for coding in [Coding::Brotli, Coding::Gzip, Coding::Zstd, Coding::Deflate] {
            assert!(
                undone(coding, b"<!doctype html><p>plain text, no coding at all").is_err(),
                "{coding:?}"
            );
        }
    }
}
