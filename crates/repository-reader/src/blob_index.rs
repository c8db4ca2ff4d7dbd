//! Where every blob of a repository is, in 32 bytes each.

use crate::id::Id;
use crate::index_file::{Row, RowKind};
use crate::key::OVERHEAD;
use std::collections::HashMap;

/// Blobs that are kept in mind at most: 32 MiB of them.
pub(crate) const MOST_BLOBS: usize = 1 << 20;
/// In a place's pack number: it is a folder.
const TREE: u32 = 1 << 31;

/// What a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlobKind {
    /// A part of a file.
    Data,
    /// A folder.
    Tree,
}

impl BlobKind {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Tree => "tree",
        }
    }

    const fn mark(self) -> u32 {
        match self {
            Self::Data => 0,
            Self::Tree => TREE,
        }
    }
}

impl From<RowKind> for BlobKind {
    fn from(kind: RowKind) -> Self {
        match kind {
            RowKind::Data => Self::Data,
            RowKind::Tree => Self::Tree,
        }
    }
}

/// One blob. Half of its id stands here: its whole hash is checked when it is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    prefix: u128,
    pack: u32,
    offset: u32,
    length: u32,
    /// 0 for one that is not compressed.
    uncompressed: u32,
}

/// Where a blob is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub pack: Id,
    pub offset: u32,
    pub length: u32,
    pub uncompressed: Option<u32>,
}

impl Place {
    /// Bytes of its plain text.
    pub(crate) fn plain_length(&self) -> u64 {
        u64::from(self.uncompressed.unwrap_or(self.length.saturating_sub(OVERHEAD)))
    }
}

/// All indexes of a repository.
#[derive(Default)]
pub struct BlobIndex {
    packs: Vec<Id>,
    numbers: HashMap<Id, u32>,
    entries: Vec<Entry>,
}

impl BlobIndex {
    /// Takes a row in; `None` when there are too many.
    pub(crate) fn add(&mut self, pack: &Id, row: &Row) -> Option<()> {
        if self.entries.len() >= MOST_BLOBS {
            return None;
        }
        let number = match self.numbers.get(pack) {
            Some(number) => *number,
            None => {
                let number = u32::try_from(self.packs.len()).ok().filter(|number| *number < TREE)?;
                self.packs.push(*pack);
                self.numbers.insert(*pack, number);
                number
            }
        };
        self.entries.push(Entry {
            prefix: row.id.prefix(),
            pack: number | BlobKind::from(row.kind).mark(),
            offset: row.offset,
            length: row.length,
            uncompressed: row.uncompressed_length.unwrap_or(0),
        });
        Some(())
    }

    /// All rows are in.
    pub(crate) fn seal(&mut self) {
        self.entries.sort_unstable();
        self.entries.dedup();
        self.entries.shrink_to_fit();
        self.numbers = HashMap::new();
    }

    /// How many blobs there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn place(&self, kind: BlobKind, id: &Id) -> Option<Place> {
        let prefix = id.prefix();
        let first = self.entries.partition_point(|entry| entry.prefix < prefix);
        let same = self
            .entries
            .get(first..)?
            .iter()
            .take_while(|entry| entry.prefix == prefix);
        let entry = same.into_iter().find(|entry| entry.pack & TREE == kind.mark())?;
        let pack = self.packs.get(usize::try_from(entry.pack & !TREE).ok()?)?;
        Some(Place {
            pack: *pack,
            offset: entry.offset,
            length: entry.length,
            uncompressed: Some(entry.uncompressed).filter(|length| *length > 0),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{BlobIndex, BlobKind};
    use crate::id::Id;
    use crate::index_file::{Row, RowKind};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_blob_is_found_where_it_was_said_to_be(blobs in prop::collection::hash_map((0_u16..400, any::<bool>()), (0u8..9, any::<u32>()), 0..200)) {
            let mut index = BlobIndex::default();
            for ((number, tree), (pack, offset)) in &blobs {
                let kind = if *tree { RowKind::Tree } else { RowKind::Data };
                let row = Row { id: Id::of(&number.to_be_bytes()), kind, offset: *offset, length: 40, uncompressed_length: (*pack > 4).then_some(7) };
                index.add(&Id::of(&[*pack]), &row).unwrap();
            }
            index.seal();
            prop_assert_eq!(index.len(), blobs.len());
            for number in 0..400_u16 {
                for tree in [false, true] {
                    let kind = if tree { BlobKind::Tree } else { BlobKind::Data };
                    let found = index.place(kind, &Id::of(&number.to_be_bytes()));
                    let said = blobs.get(&(number, tree));
                    prop_assert_eq!(found.map(|place| (place.pack, place.offset)), said.map(|(pack, offset)| (Id::of(&[*pack]), *offset)));
                    if let Some(place) = found {
                        let expected = if said.is_some_and(|(pack, _)| *pack > 4) { 7 } else { 8 };
                        prop_assert_eq!(place.plain_length(), expected);
                    }
                }
            }
        }
    }
}
