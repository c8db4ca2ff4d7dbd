//! A sandbox's repository in the bucket, for the reader.

use molt_common::repository_path::{Item, Kind, Root};
use molt_common::snapshot::ObjectId;
use molt_platform::bucket::{Bucket, BucketError};
use molt_repository_reader::{FetchError, Id, ObjectKind, ObjectName, Objects};

/// The objects of one sandbox's repository.
pub struct SavedObjects {
    pub bucket: Bucket,
    pub root: Root,
}

impl SavedObjects {
    fn key(&self, object: &ObjectName) -> String {
        let item = match object {
            ObjectName::Config => Item::Config,
            ObjectName::Named(kind, id) => Item::Object(folder(*kind), ObjectId::new(id.0)),
        };
        item.key(&self.root)
    }
}

const fn folder(kind: ObjectKind) -> Kind {
    match kind {
        ObjectKind::Pack => Kind::Data,
        ObjectKind::Index => Kind::Index,
        ObjectKind::Snapshot => Kind::Snapshots,
    }
}

fn failed(error: &BucketError) -> FetchError {
    FetchError::Failed(error.to_string())
}

impl Objects for SavedObjects {
    async fn whole(&self, object: &ObjectName, most: u64) -> Result<Vec<u8>, FetchError> {
        let bytes = self.bucket.bytes(&self.key(object), most).await;
        bytes.map_err(|error| failed(&error))?.ok_or(FetchError::Missing)
    }

    async fn range(&self, object: &ObjectName, offset: u64, length: u32) -> Result<Vec<u8>, FetchError> {
        let span = self.bucket.span(&self.key(object), offset, u64::from(length)).await;
        match span {
            Ok(Some((bytes, _))) if bytes.len() as u64 == u64::from(length) => Ok(bytes),
            Ok(Some((_, size))) => Err(FetchError::Size(size)),
            Ok(None) => Err(FetchError::Missing),
            // It ends before: cut, or another one.
            Err(BucketError::Range) => Err(FetchError::Size(0)),
            Err(error) => Err(failed(&error)),
        }
    }

    async fn list(&self, kind: ObjectKind) -> Result<Vec<Id>, FetchError> {
        let prefix = self.root.prefix_of(folder(kind));
        let (mut found, mut cursor) = (Vec::new(), None);
        loop {
            let page = self
                .bucket
                .page(&prefix, cursor)
                .await
                .map_err(|error| failed(&error))?;
            // Whatever else lies there is none of the repository's.
            found.extend(
                page.objects
                    .iter()
                    .filter_map(|(key, _)| Id::parse(key.strip_prefix(&prefix)?)),
            );
            cursor = page.next;
            if cursor.is_none() {
                return Ok(found);
            }
        }
    }
}
