//! What can go wrong; each error names the object that it is about.

use crate::objects::ObjectName;

/// Why an object's bytes did not come.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    /// There is none of this name.
    #[error("is missing")]
    Missing,
    /// It is longer than was asked for, or shorter than the range that was.
    #[error("has {0} bytes, which is not what it should have")]
    Size(u64),
    /// The store did not answer, and how it said so.
    #[error("could not be read: {0}")]
    Failed(String),
}

/// Why something cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The object is not there, or not as it should be in size, or the store does not answer.
    #[error("{object} {why}")]
    Fetch {
        /// Which, as its path in the repository.
        object: String,
        /// What is the matter.
        why: FetchError,
    },
    /// Its bytes are not what was written: cut, changed, swapped, or of another repository.
    #[error("{object} is damaged: {why}")]
    Damaged {
        /// Which, as its path in the repository.
        object: String,
        /// What is the matter.
        why: &'static str,
    },
    /// No index tells where a blob is.
    #[error("no index has the {kind} blob {id}")]
    Unindexed {
        /// `tree` or `data`.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// More than is read here.
    #[error("{object} is too large to be read here: {what}")]
    TooLarge {
        /// Which, as its path in the repository.
        object: String,
        /// What there is too much of.
        what: &'static str,
    },
    /// The repository is of a format that nothing here reads.
    #[error("the repository is of format {0}; 1 and 2 are read")]
    Format(u32),
    /// The key is no key.
    #[error("the repository's key {0}")]
    Key(&'static str),
    /// The path leads to nothing in the snapshot.
    #[error("there is nothing at this path")]
    NotFound,
    /// A part of the path is no folder.
    #[error("a part of the path is no folder")]
    NotAFolder,
}

impl ReadError {
    /// Whether it says that the repository, not the question, is at fault.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        !matches!(self, Self::NotFound | Self::NotAFolder)
    }

    pub(crate) fn damaged(object: &ObjectName, why: &'static str) -> Self {
        Self::Damaged {
            object: object.to_string(),
            why,
        }
    }

    pub(crate) fn too_large(object: &ObjectName, what: &'static str) -> Self {
        Self::TooLarge {
            object: object.to_string(),
            what,
        }
    }
}
