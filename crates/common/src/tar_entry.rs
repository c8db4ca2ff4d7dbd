//! Members of a tar archive (POSIX ustar) that is written as a stream: small texts of ours, whose sizes are known.

/// Bytes of a block.
pub const BLOCK: usize = 512;
/// Two empty blocks end an archive.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
/// Longest name that needs no extension.
const LONGEST_NAME: usize = 100;
/// Longest text that eleven octal digits tell.
const LARGEST: u64 = 0o777_7777_7777;

/// A regular file with this text, padded to whole blocks. `mtime` is in seconds.
///
/// # Errors
/// When the name or the text is too long for the plain format.
pub fn file(name: &str, text: &[u8], mtime: u64) -> Result<Vec<u8>, TooLong> {
    let size = u64::try_from(text.len()).map_err(|_| TooLong)?;
    if name.is_empty() || name.len() > LONGEST_NAME || size > LARGEST || mtime > LARGEST {
        return Err(TooLong);
    }
    let mut header = Vec::with_capacity(BLOCK);
    field(&mut header, name.as_bytes(), LONGEST_NAME);
    // Mode, user, group: nobody but the owner of the archive.
    for text in ["0000600\0", "0000000\0", "0000000\0"] {
        header.extend_from_slice(text.as_bytes());
    }
    header.extend_from_slice(format!("{size:011o}\0{mtime:011o}\0").as_bytes());
    let sum_at = header.len();
    // The sum is taken with blanks in its place; type 0 is a regular file, and no link's name follows.
    header.extend_from_slice(b"        0");
    field(&mut header, b"", LONGEST_NAME);
    header.extend_from_slice(b"ustar\x0000");
    header.resize(BLOCK, 0);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let told = format!("{sum:06o}\0 ");
    for (place, byte) in header.iter_mut().skip(sum_at).zip(told.bytes()) {
        *place = byte;
    }
    header.extend_from_slice(text);
    header.resize(header.len().next_multiple_of(BLOCK), 0);
    Ok(header)
}

/// The name or the text is too long for the plain format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too long for a plain tar member")]
pub struct TooLong;

/// Bytes, filled up with zeros.
fn field(header: &mut Vec<u8>, bytes: &[u8], width: usize) {
    let end = header.len().saturating_add(width);
    header.extend_from_slice(bytes);
    header.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::{END, TooLong, file};
    use proptest::prelude::*;
    use std::io::Read;

    proptest! {
        #[test]
        fn another_reader_reads_what_was_written(members in prop::collection::vec(("[a-z0-9/._-]{1,100}", prop::collection::vec(any::<u8>(), 0..1_500)), 0..5)) {
            let members: Vec<(String, Vec<u8>)> = members.into_iter().map(|(name, text)| (format!("a{}", &name[..name.len().min(98)]).replace("//", "x").trim_end_matches('/').to_owned(), text)).collect();
            let mut archive: Vec<u8> = members.iter().flat_map(|(name, text)| file(name, text, 1_800_000_000).unwrap()).collect();
            archive.extend_from_slice(&END);
            prop_assert_eq!(archive.len() % 512, 0);
            let mut read = Vec::new();
            for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
                let mut entry = entry.unwrap();
                let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                prop_assert_eq!(entry.header().mtime().unwrap(), 1_800_000_000);
                let mut text = Vec::new();
                entry.read_to_end(&mut text).unwrap();
                read.push((name, text));
            }
            prop_assert_eq!(read, members);
        }
    }

    #[test]
    fn a_name_that_does_not_fit_is_refused() {
        assert_eq!(file(&"a".repeat(101), b"", 0), Err(TooLong));
        assert_eq!(file("", b"", 0), Err(TooLong));
        assert!(file(&"a".repeat(100), b"", 0).is_ok());
    }
}
