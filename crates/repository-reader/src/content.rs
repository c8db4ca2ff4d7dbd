//! A file's bytes, part by part.

use crate::blob_index::{BlobIndex, BlobKind};
use crate::error::ReadError;
use crate::id::Id;
use crate::objects::Objects;
use crate::repository::Repository;
use std::ops::Range;

/// A place in a file from which its bytes are read, one blob at a time.
pub struct Content {
    parts: std::vec::IntoIter<Id>,
    size: u64,
    /// Bytes of the next part that are not wanted.
    skip: u64,
    /// Bytes that are still wanted.
    left: u64,
}

impl Content {
    /// All bytes of a file of these parts. Their size comes from the index, which costs nothing.
    ///
    /// # Errors
    /// When no index has one of the parts.
    pub fn new(index: &BlobIndex, parts: Vec<Id>) -> Result<Self, ReadError> {
        let mut size: u64 = 0;
        for id in &parts {
            size = size.saturating_add(length(index, id)?);
        }
        Ok(Self {
            parts: parts.into_iter(),
            size,
            skip: 0,
            left: size,
        })
    }

    /// Bytes of the whole file.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Only these bytes of it; parts before them are never fetched. What lies beyond the end is not there.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn only(mut self, index: &BlobIndex, wanted: &Range<u64>) -> Result<Self, ReadError> {
        let from = wanted.start.min(self.size);
        self.left = wanted.end.min(self.size).saturating_sub(from);
        self.skip = from;
        while let Some(id) = self.parts.as_slice().first() {
            let length = length(index, id)?;
            if self.skip < length {
                break;
            }
            self.skip -= length;
            self.parts.next();
        }
        Ok(self)
    }

    /// The next bytes, never empty; `None` at the end.
    ///
    /// # Errors
    /// When a blob cannot be read.
    pub async fn next<O: Objects>(
        &mut self,
        repository: &Repository<O>,
        index: &BlobIndex,
    ) -> Result<Option<Vec<u8>>, ReadError> {
        while self.left > 0 {
            let Some(id) = self.parts.next() else { return Ok(None) };
            let mut bytes = repository.blob(index, BlobKind::Data, &id).await?;
            let skip = usize::try_from(self.skip).unwrap_or(usize::MAX).min(bytes.len());
            bytes.drain(..skip);
            self.skip = 0;
            bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
            self.left -= bytes.len() as u64;
            if !bytes.is_empty() {
                return Ok(Some(bytes));
            }
        }
        Ok(None)
    }
}

fn length(index: &BlobIndex, id: &Id) -> Result<u64, ReadError> {
    let place = index.place(BlobKind::Data, id).ok_or_else(|| ReadError::Unindexed {
        kind: BlobKind::Data.word(),
        id: id.to_string(),
    })?;
    Ok(place.plain_length())
}
