//! What the bucket has of a user: the repository of his sandbox, and what another system left.

use futures_util::future::try_join_all;
use molt_common::id::{SandboxId, UserId};
use molt_common::repository_path;
use molt_lifecycle::removal::Told;
use worker::{Bucket, Result};

/// Most that one listing tells and one call removes.
const PAGE: u32 = 1_000;
/// Listings under way at once.
const SIDE_BY_SIDE: usize = 6;

/// Where another system kept dated copies of all users.
const DATED: &str = "backups/";

/// Prefixes of one kind of objects of a user.
pub enum Lies {
    /// The repository.
    Snapshots,
    /// What was there before.
    OlderBackups,
}

impl Lies {
    async fn prefixes(&self, bucket: &Bucket, user: UserId) -> Result<Vec<String>> {
        match self {
            Self::Snapshots => Ok(vec![repository_path::prefix(&SandboxId::personal(user))]),
            Self::OlderBackups => {
                let mut prefixes = vec![format!("users/{user}/")];
                let mut cursor = None;
                loop {
                    let list = bucket.list().prefix(DATED).delimiter("/");
                    let list = match cursor.take() {
                        Some(cursor) => list.cursor(cursor),
                        None => list,
                    };
                    let page = list.execute().await?;
                    let dated = page.delimited_prefixes();
                    prefixes.extend(dated.iter().map(|date| format!("{date}users/{user}/")));
                    cursor = page.cursor().filter(|_| page.truncated());
                    if cursor.is_none() {
                        return Ok(prefixes);
                    }
                }
            }
        }
    }

    /// Removes a page of them, or finds that there are none.
    pub async fn empty(&self, bucket: &Bucket, user: UserId) -> Result<Told> {
        let prefixes = self.prefixes(bucket, user).await?;
        let (mut removed, mut bytes, mut more) = (0_u64, 0_u64, false);
        for some in prefixes.chunks(SIDE_BY_SIDE) {
            let pages = some.iter().map(|prefix| page(bucket, prefix));
            for found in try_join_all(pages).await? {
                more |= found.truncated;
                removed = removed.saturating_add(u64::try_from(found.keys.len()).unwrap_or(u64::MAX));
                bytes = bytes.saturating_add(found.bytes);
                if !found.keys.is_empty() {
                    bucket.delete_multiple(found.keys).await?;
                }
            }
        }
        Ok(if more {
            Told::More { removed, bytes }
        } else {
            Told::Done { removed, bytes }
        })
    }

    /// How many there are; of more than a page, a page.
    pub async fn count(&self, bucket: &Bucket, user: UserId) -> Result<Told> {
        let mut left = 0_u64;
        let prefixes = self.prefixes(bucket, user).await?;
        for some in prefixes.chunks(SIDE_BY_SIDE) {
            for found in try_join_all(some.iter().map(|prefix| page(bucket, prefix))).await? {
                left = left.saturating_add(u64::try_from(found.keys.len()).unwrap_or(u64::MAX));
            }
        }
        Ok(Told::Counted { left })
    }
}

struct Page {
    keys: Vec<String>,
    bytes: u64,
    truncated: bool,
}

async fn page(bucket: &Bucket, prefix: &str) -> Result<Page> {
    let found = bucket.list().prefix(prefix).limit(PAGE).execute().await?;
    let objects = found.objects();
    Ok(Page {
        bytes: objects.iter().map(worker::Object::size).sum(),
        keys: objects.iter().map(worker::Object::key).collect(),
        truncated: found.truncated(),
    })
}
