//! Members of a tar archive that is written as a stream from what a snapshot knows: any name, any length, in the format of GNU, which every tool reads.

use crate::tar_entry::BLOCK;

/// Longest name, and longest target of a link, that a header holds.
const LONGEST: usize = 100;
/// Name of a member that holds the name of the next one.
const LONG_LINK: &[u8] = b"././@LongLink";

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TarKind<'a> {
    /// A regular file of so many bytes, which follow, and then [`padding`].
    File(u64),
    /// A folder.
    Folder,
    /// A symbolic link to this.
    Link(&'a [u8]),
}

/// The blocks before a member's bytes. `mtime` is in seconds, `mode` the twelve bits of Unix. Owners are not told.
#[must_use]
pub fn header(name: &[u8], kind: TarKind<'_>, mode: u32, mtime: u64) -> Vec<u8> {
    let mut blocks = Vec::with_capacity(BLOCK);
    let target = match kind {
        TarKind::Link(target) => target,
        TarKind::File(_) | TarKind::Folder => &[],
    };
    for (text, flag) in [(name, b'L'), (target, b'K')] {
        if text.len() > LONGEST {
            let size = text.len() as u64 + 1;
            blocks.extend(block(LONG_LINK, flag, &[], 0o644, 0, size));
            blocks.extend_from_slice(text);
            blocks.push(0);
            blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
        }
    }
    let (flag, size) = match kind {
        TarKind::File(size) => (b'0', size),
        TarKind::Folder => (b'5', 0),
        TarKind::Link(_) => (b'2', 0),
    };
    blocks.extend(block(name, flag, target, mode, mtime, size));
    blocks
}

/// What fills a file of so many bytes up to whole blocks.
#[must_use]
pub fn padding(size: u64) -> Vec<u8> {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    vec![0; if over == 0 { 0 } else { BLOCK - over }]
}

fn block(name: &[u8], flag: u8, target: &[u8], mode: u32, mtime: u64, size: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(BLOCK);
    field(&mut header, name, LONGEST);
    header.extend_from_slice(format!("{:07o}\0{:07o}\0{:07o}\0", mode & 0o7777, 0, 0).as_bytes());
    number(&mut header, size);
    number(&mut header, mtime);
    let sum_at = header.len();
    header.extend_from_slice(b"        ");
    header.push(flag);
    field(&mut header, target, LONGEST);
    header.extend_from_slice(b"ustar  \0");
    header.resize(BLOCK, 0);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    for (place, byte) in header.iter_mut().skip(sum_at).zip(format!("{sum:06o}\0 ").bytes()) {
        *place = byte;
    }
    header
}

/// Twelve bytes: eleven octal digits, or, where those do not do, the number itself.
fn number(header: &mut Vec<u8>, value: u64) {
    if value <= 0o777_7777_7777 {
        header.extend_from_slice(format!("{value:011o}\0").as_bytes());
    } else {
        header.extend_from_slice(&[0x80, 0, 0, 0]);
        header.extend_from_slice(&value.to_be_bytes());
    }
}

fn field(header: &mut Vec<u8>, bytes: &[u8], width: usize) {
    let end = header.len().saturating_add(width);
    header.extend(bytes.iter().take(width));
    header.resize(end, 0);
}

#[cfg(test)]
mod tests {
    use super::{TarKind, header, padding};
    use crate::tar_entry::END;
    use proptest::prelude::*;
    use std::io::Read;

    fn name() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(1_u8.., 1..250)
            .prop_map(|bytes| [b"a".as_slice(), &bytes, b"z"].concat())
            .prop_map(|bytes| {
                bytes
                    .iter()
                    .map(|byte| if *byte == b'/' { b'_' } else { *byte })
                    .collect()
            })
    }

    proptest! {
        #[test]
        fn another_reader_reads_what_was_written(
            members in prop::collection::vec((name(), name(), prop::collection::vec(any::<u8>(), 0..1_300), 0_u8..3, 0_u32..0o10000), 0..5),
        ) {
            let mut archive = vec![];
            for (name, target, bytes, kind, mode) in &members {
                match kind {
                    0 => {
                        archive.extend(header(name, TarKind::File(bytes.len() as u64), *mode, 1_800_000_000));
                        archive.extend(bytes);
                        archive.extend(padding(bytes.len() as u64));
                    }
                    1 => archive.extend(header(&[name, b"/".as_slice()].concat(), TarKind::Folder, *mode, 7)),
                    _ => archive.extend(header(name, TarKind::Link(target), *mode, 0)),
                }
            }
            archive.extend_from_slice(&END);
            let mut read = tar::Archive::new(archive.as_slice());
            let mut entries = read.entries().unwrap();
            for (name, target, bytes, kind, mode) in &members {
                let mut entry = entries.next().unwrap().unwrap();
                prop_assert_eq!(entry.header().mode().unwrap(), *mode);
                let told = entry.path_bytes().into_owned();
                prop_assert_eq!(told.strip_suffix(b"/").unwrap_or(&told), name.as_slice());
                let mut text = vec![];
                entry.read_to_end(&mut text).unwrap();
                match kind {
                    0 => prop_assert_eq!(&text, bytes),
                    1 => prop_assert!(entry.header().entry_type().is_dir()),
                    _ => prop_assert_eq!(entry.link_name_bytes().unwrap().into_owned(), target.clone()),
                }
            }
            prop_assert!(entries.next().is_none());
        }
    }

    #[test]
    fn a_size_beyond_octal_digits_is_told() {
        let size = 0o777_7777_7777 + 5;
        let blocks = header(b"large", TarKind::File(size), 0o644, 0);
        let read = tar::Header::from_byte_slice(&blocks);
        assert_eq!(read.entry_size().unwrap(), size);
    }
}
