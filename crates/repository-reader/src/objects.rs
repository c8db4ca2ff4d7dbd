//! Where the bytes of a repository come from.

use crate::error::FetchError;
use crate::id::Id;
use std::fmt;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectKind {
    /// Blobs of files and folders.
    Pack,
    /// Which blobs are where.
    Index,
    /// A snapshot.
    Snapshot,
}

impl ObjectKind {
    /// The folder of such objects.
    #[must_use]
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Pack => "data",
            Self::Index => "index",
            Self::Snapshot => "snapshots",
        }
    }
}

/// Names one object of a repository. As text it is the object's path there: `config`, `index/<id>`, `data/<two digits>/<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ObjectName {
    /// The one configuration.
    Config,
    /// One of many.
    Named(ObjectKind, Id),
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config => f.write_str("config"),
            Self::Named(ObjectKind::Pack, id) => {
                let [first, ..] = id.0;
                write!(f, "data/{first:02x}/{id}")
            }
            Self::Named(kind, id) => write!(f, "{}/{id}", kind.folder()),
        }
    }
}

/// A store of one repository's objects.
#[expect(
    async_fn_in_trait,
    reason = "in a worker no future can be sent to another thread, and natively only tests have one"
)]
pub trait Objects {
    /// All bytes of an object.
    ///
    /// # Errors
    /// [`FetchError::Size`] when there are more than `most`, without reading them.
    async fn whole(&self, object: &ObjectName, most: u64) -> Result<Vec<u8>, FetchError>;

    /// `length` bytes from `offset`.
    ///
    /// # Errors
    /// [`FetchError::Size`] when it has not so many.
    async fn range(&self, object: &ObjectName, offset: u64, length: u32) -> Result<Vec<u8>, FetchError>;

    /// The ids of all objects of a kind.
    ///
    /// # Errors
    /// When the store does not answer.
    async fn list(&self, kind: ObjectKind) -> Result<Vec<Id>, FetchError>;
}
