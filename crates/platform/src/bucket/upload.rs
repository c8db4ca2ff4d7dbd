//! Writing an object by parts.

use super::{About, Bucket, BucketError, PATIENCE, TRANSFER, about, in_time};

/// An upload by parts. All of them but the last must be equally long.
pub struct Upload {
    pub(super) upload: worker::MultipartUpload,
    pub(super) parts: Vec<worker::UploadedPart>,
}

impl Upload {
    /// The next part.
    ///
    /// # Errors
    /// [`BucketError`]; also when there are more than R2 takes.
    pub async fn part(&mut self, bytes: Vec<u8>) -> Result<(), BucketError> {
        let number = u16::try_from(self.parts.len().saturating_add(1))
            .map_err(|_| BucketError::Failed("an upload of too many parts".into()))?;
        self.parts
            .push(in_time(TRANSFER, self.upload.upload_part(number, bytes)).await?);
        Ok(())
    }

    /// The object is there, whole, from now on.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn complete(self) -> Result<About, BucketError> {
        let object = in_time(TRANSFER, self.upload.complete(self.parts)).await?;
        Ok(about(&object))
    }

    /// Nothing comes of it.
    pub async fn abort(self) {
        // One that stays is removed by R2 itself after a week.
        let _ = in_time(PATIENCE, self.upload.abort()).await;
    }
}

impl Bucket {
    /// What is known of an object, and what its upload noted under a name. `None`: there is no object.
    ///
    /// # Errors
    /// [`BucketError`].
    pub async fn noted(&self, key: &str, name: &str) -> Result<Option<(About, Option<String>)>, BucketError> {
        let Some(object) = in_time(PATIENCE, self.0.head(key)).await? else {
            return Ok(None);
        };
        let note = object.custom_metadata()?.remove(name);
        Ok(Some((about(&object), note)))
    }
}
