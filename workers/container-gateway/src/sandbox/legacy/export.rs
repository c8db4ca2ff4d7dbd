//! Writes the newest snapshot in the layout of the old system, where that finds its user's files again: an archive of `/root`, with the one before it kept beside it.
//!
//! The archive is packed and sent as it is read, part by part, and counts only after it was read back: unpacked, it must be the very bytes that were packed.

use super::look::bucket;
use super::notes;
use super::pack::{Packer, Unpacker};
use super::store::Kept;
use crate::sandbox::files::refusal::Refusal;
use crate::sandbox::files::saved::archive::{ForLegacy, Walk};
use crate::sandbox::files::saved::{Saved, open_of};
use crate::sandbox_do::Sandbox;
use molt_common::id::UserId;
use molt_common::legacy_data::{Exported, ImportRecord, OLD_HOME, archive, homed, last_sync, previous};
use molt_platform::bucket::{About, Bucket, BucketError, Upload};
use molt_platform::{entropy, log, transaction};
use molt_repository_reader::{Content, NodeKind, ReadError};
use serde_json::{Value, json};
use worker::Result;

/// The home of ours, as every image has it.
const HOME: &str = "/home/agent";
/// The agent's configuration, below the home.
const CONFIG: [&[u8]; 2] = [b".openclaw", b"openclaw.json"];
/// Longer ones are none.
const LONGEST_CONFIG: u64 = 4 * 1024 * 1024;
/// Bytes that are read back at once.
const SPAN: u64 = 8 * 1024 * 1024;

/// Under which the old system notes what each of its archives is called.
const NAME: &str = "syncId";

/// Why nothing came of it: in words, and whether another attempt may do it.
type Failed = (String, bool);

/// Does it. What was written before stays until the new archive is whole.
pub async fn export(object: &Sandbox, user: UserId) -> Result<std::result::Result<(), Failed>> {
    let exported = match attempt(object, user).await {
        Ok(exported) => exported,
        Err((why, again)) => {
            log::error(
                "legacy_not_exported",
                json!({"sandbox": object.state.id().name(), "error": why, "again": again}),
            );
            return Ok(Err((why, again)));
        }
    };
    let kept = Kept::of(object)?;
    let record = kept.record()?;
    transaction::atomically(&object.state, || {
        notes::exported(object, user, &exported)?;
        kept.save(&ImportRecord {
            exported: Some(exported),
            ..record
        })
    })?;
    Ok(Ok(()))
}

async fn attempt(object: &Sandbox, user: UserId) -> std::result::Result<Exported, Failed> {
    let saved = open_of(object, user, None).await.map_err(refused)?;
    let bucket = bucket(object).map_err(failed)?;
    let (key, snapshot, now) = (archive(user), saved.listed.id, entropy::now());
    let sync: String = snapshot.to_string().chars().take(6).collect();
    let sync = format!("tar-{}-{sync}", now.0);
    // What the old system wrote is kept; what this one wrote there is not worth keeping, whatever became of the export that did.
    let before = bucket.noted(&key, NAME).await.map_err(away)?;
    if let Some((before, name)) = &before
        && !record(object)?.wrote(&before.etag, name.as_deref())
    {
        bucket.copy(&key, &previous(user)).await.map_err(away)?;
    }
    let mut begun = record(object)?;
    begun.begin_export(sync.clone(), before.and_then(|(_, name)| name));
    Kept::of(object).and_then(|kept| kept.save(&begun)).map_err(failed)?;
    let replaced = configuration(&saved).await.map_err(unread)?;
    let root = saved.root;
    let legacy = ForLegacy {
        homes: (HOME.into(), OLD_HOME.into()),
        replaced,
    };
    let mut walk = Walk::of(saved, root, b"root/", Some(legacy)).await.map_err(unread)?;
    let notes = [("timestamp", now.iso()), (NAME, sync.clone())];
    let mut upload = bucket.upload(&key, &notes).await.map_err(away)?;
    let packed = pack(&mut walk, &mut upload).await;
    let (about, sum) = match packed {
        Ok(sum) => (upload.complete().await.map_err(away)?, sum),
        Err(failed) => {
            upload.abort().await;
            return Err(failed);
        }
    };
    if read_back(&bucket, &about).await? != sum {
        return Err(("what was written is not what was read".into(), true));
    }
    let noted = format!("{sync}|{}", now.iso());
    bucket
        .replace(&last_sync(user), noted.into_bytes())
        .await
        .map_err(away)?;
    Ok(Exported {
        at: now,
        snapshot,
        etag: about.etag,
        files: walk.written.0,
        bytes: walk.written.1,
        size: about.size,
    })
}

fn record(object: &Sandbox) -> std::result::Result<ImportRecord, Failed> {
    Kept::of(object).and_then(|kept| kept.record()).map_err(failed)
}

fn failed(error: worker::Error) -> Failed {
    (error.to_string(), true)
}

/// Packs all of it and sends it. The sum of what was packed.
async fn pack(walk: &mut Walk, upload: &mut Upload) -> std::result::Result<[u8; 32], Failed> {
    let mut packer = Packer::new();
    while let Some(bytes) = walk.next().await.map_err(unread)? {
        packer.add(&bytes).map_err(|error| (error.to_string(), true))?;
        while let Some(part) = packer.part() {
            upload.part(part).await.map_err(away)?;
        }
    }
    let (parts, sum) = packer.end().map_err(|error| (error.to_string(), true))?;
    for part in parts {
        upload.part(part).await.map_err(away)?;
    }
    Ok(sum)
}

/// The sum of what the archive holds, unpacked from what the bucket gives.
async fn read_back(bucket: &Bucket, about: &About) -> std::result::Result<[u8; 32], Failed> {
    let mut unpacker = Unpacker::new();
    let mut offset = 0;
    while offset < about.size {
        let length = SPAN.min(about.size.saturating_sub(offset));
        let Some((bytes, _)) = bucket.span(&about.key, offset, length).await.map_err(away)? else {
            return Err(("what was written is not there".into(), true));
        };
        let unpacked = unpacker.add(&bytes);
        unpacked.map_err(|error| (format!("it does not unpack: {error}"), true))?;
        offset = offset.saturating_add(length);
    }
    unpacker
        .end()
        .map_err(|error| (format!("it does not unpack: {error}"), true))
}

/// The agent's configuration with the paths of the old home, if there is one that has any of ours.
async fn configuration(saved: &Saved) -> std::result::Result<Option<(Vec<u8>, Vec<u8>)>, ReadError> {
    let found = match saved.repository.find(&saved.index, &saved.root, &CONFIG).await {
        Ok(found) => found,
        Err(error) if error.is_fault() => return Err(error),
        Err(_) => return Ok(None),
    };
    let Some(NodeKind::File { content, .. }) = found.map(|node| node.kind) else {
        return Ok(None);
    };
    let mut content = Content::new(&saved.index, content)?;
    if content.size() > LONGEST_CONFIG {
        return Ok(None);
    }
    let mut text = Vec::new();
    while let Some(bytes) = content.next(&saved.repository, &saved.index).await? {
        text.extend(bytes);
    }
    // The platform writes it as JSON; what somebody wrote otherwise goes back as it is.
    let Ok(mut document) = serde_json::from_slice::<Value>(&text) else {
        return Ok(None);
    };
    if homed(&mut document, HOME, OLD_HOME) == 0 {
        return Ok(None);
    }
    let bytes = serde_json::to_vec_pretty(&document).unwrap_or(text);
    Ok(Some((b"root/.openclaw/openclaw.json".to_vec(), bytes)))
}

fn away(error: BucketError) -> Failed {
    (format!("the bucket failed: {error}"), true)
}

fn unread(error: ReadError) -> Failed {
    let again = !error.is_fault();
    (format!("the newest snapshot cannot be read: {error}"), again)
}

fn refused(refusal: Refusal) -> Failed {
    match refusal {
        Refusal::Read(error) => unread(error),
        Refusal::NoSnapshot => ("nothing of it was ever saved".into(), false),
        Refusal::Failed(error) => (error.to_string(), true),
        _ => ("the newest snapshot cannot be opened".into(), false),
    }
}
