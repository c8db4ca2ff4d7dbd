//! What lies in the bucket of a user.

use crate::sandbox_do::Sandbox;
use futures_util::future::try_join_all;
use molt_common::id::UserId;
use molt_common::legacy_data::{DATED, Found, Inventory, Role, dated, dates_looked_at, prefix, role, secrets};
use molt_common::time::Millis;
use molt_platform::bucket::{About, Bucket, BucketError};
use std::collections::BTreeMap;
use worker::Result;

/// Binding of the bucket, which both systems share.
pub const BUCKET: &str = "MOLTBOT_BUCKET";
/// Objects of a page.
const PAGE: u32 = 1_000;
/// Questions to R2 at once.
const SIDE_BY_SIDE: usize = 6;
/// Longest `secrets.json` whose names are told, bytes.
const LONGEST_SECRETS: u64 = 256 * 1024;

/// The bucket.
pub fn bucket(object: &Sandbox) -> Result<Bucket> {
    Bucket::of(&object.env, BUCKET)
}

/// An object as it is told.
pub fn found(object: About) -> Found {
    Found {
        key: object.key,
        size: object.size,
        etag: object.etag,
        uploaded: Millis(object.uploaded),
    }
}

/// All of it. Single objects are counted; archives are told.
pub async fn inventory(bucket: &Bucket, user: UserId) -> std::result::Result<Inventory, BucketError> {
    let mut inventory = Inventory::default();
    let (prefix, mut cursor, mut has_secrets) = (prefix(user), None, false);
    loop {
        let page = bucket.about_page(&prefix, cursor, PAGE).await?;
        for object in page.objects {
            match role(object.key.strip_prefix(&prefix).unwrap_or_default()) {
                Role::Archive => inventory.archive = Some(found(object)),
                Role::PreviousArchive => inventory.previous = Some(found(object)),
                Role::Secrets => has_secrets = true,
                Role::Note => {}
                Role::File if object.key.ends_with('/') => {}
                Role::File => {
                    inventory.files += 1;
                    inventory.file_bytes += object.size;
                }
            }
        }
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    if has_secrets {
        inventory.secret_names = secret_names(bucket, user).await?;
    }
    let keys: Vec<String> = dates_looked_at(&bucket.folders(DATED).await?)
        .iter()
        .map(|folder| dated(folder, user))
        .collect();
    for some in keys.chunks(SIDE_BY_SIDE) {
        let copies = try_join_all(some.iter().map(|key| bucket.about(key))).await?;
        inventory.dated.extend(copies.into_iter().flatten().map(found));
    }
    Ok(inventory)
}

/// Names alone: values never leave the bucket.
async fn secret_names(bucket: &Bucket, user: UserId) -> std::result::Result<Vec<String>, BucketError> {
    let bytes = bucket.bytes(&secrets(user), LONGEST_SECRETS).await?.unwrap_or_default();
    let named: BTreeMap<String, serde::de::IgnoredAny> = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok(named.into_keys().collect())
}
