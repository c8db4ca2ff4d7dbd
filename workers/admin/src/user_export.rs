//! Everything that is kept of a user, as one tar archive that is written while it is read: nothing is gathered but one page.

mod files;
mod records;

use crate::users::User;
use futures_util::stream::{self, Stream, StreamExt, TryStreamExt};
use molt_common::audit::Author;
use molt_common::id::UserId;
use molt_common::snapshot::SnapshotId;
use molt_common::tar_entry;
use records::{Page, Section};
use worker::{Env, Error, Result};

/// What stands before the names of the records; the files of the newest snapshot follow as they lie in the home.
const FOLDER: &str = "moltworker-export";

/// What is exported.
#[derive(Clone)]
pub struct Export {
    /// Bindings.
    pub env: Env,
    /// Whose.
    pub user_id: UserId,
    /// His row.
    pub user: User,
    /// The newest published snapshot, whose files are added.
    pub newest: Option<SnapshotId>,
    /// Who asks.
    pub author: Author,
    /// Seconds since the epoch, as members are dated.
    pub now_s: u64,
}

/// The archive. An error in it breaks the answer off, so that what was cut never looks whole.
pub fn archive(export: Export) -> impl Stream<Item = Result<Vec<u8>>> + 'static {
    let records = stream::try_unfold((export.clone(), Some(Section::User)), async |(export, section)| {
        let Some(section) = section else { return Ok(None) };
        let Page { name, text, next } = records::page(&export, section).await?;
        let member = tar_entry::file(&format!("{FOLDER}/{name}"), text.as_bytes(), export.now_s)
            .map_err(|error| Error::RustError(error.to_string()))?;
        Ok::<_, Error>(Some((member, (export, next))))
    });
    // The archive of the files ends the whole one; without files it ends here.
    let rest = stream::once(async move {
        Ok::<_, Error>(match files::archive(&export).await? {
            Some(files) => files.left_stream(),
            None => stream::iter([Ok(tar_entry::END.to_vec())]).right_stream(),
        })
    });
    records.chain(rest.try_flatten())
}
