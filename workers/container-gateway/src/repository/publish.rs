//! A snapshot is to count: everything that it needs must be in the bucket, then its sandbox's object decides.

use crate::repository::Call;
use crate::repository::list::named;
use crate::repository::object::whole;
use crate::repository::refusal::Refusal;
use molt_common::manifest_check::ManifestCheck;
use molt_common::problem::Problem;
use molt_common::repository_path::{Item, Kind};
use molt_common::snapshot::{Manifest, ObjectId, PublishAnswer, PublishRequest};
use molt_common::snapshot_call::PublishSnapshot;
use molt_platform::{call as object_call, log, respond};
use serde_json::json;
use web_sys::Response;

/// Longest request, bytes: about 180,000 packs.
const LONGEST: u64 = 16 * 1024 * 1024;

/// Answers the call.
pub async fn answer(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = whole(call, LONGEST).await?;
    let mut request: PublishRequest = serde_json::from_slice(&body).map_err(|error| Problem::invalid("body", error))?;
    drop(body);
    let snapshot = request.manifest.snapshot;
    let answer = match lack(call, &request.manifest).await? {
        Some(why) => PublishAnswer::Incomplete { why },
        None => {
            // They have been seen; a call to an object is bounded, and the list keeps none of them.
            request.manifest.packs = Vec::new();
            request.manifest.indexes = Vec::new();
            let publish = PublishSnapshot {
                generation: call.claims.generation,
                request,
            };
            let object = object_call::sandbox(call.env, &call.root.sandbox)?;
            object_call::make(&object, &publish).await?
        }
    };
    log::info(
        "snapshot_publish",
        json!({
            "sandbox": call.root.sandbox.as_str(), "generation": call.claims.generation,
            "snapshot": snapshot.to_string(), "answer": &answer,
        }),
    );
    let status = if matches!(answer, PublishAnswer::Published { .. }) {
        200
    } else {
        409
    };
    Ok(respond::json(status, &answer)?)
}

/// What is not there, or not as it should be.
async fn lack(call: &Call<'_>, manifest: &Manifest) -> Result<Option<String>, Refusal> {
    let mut check = match ManifestCheck::of(manifest) {
        Ok(check) => check,
        Err(why) => return Ok(Some(why)),
    };
    if let Some(why) = snapshot_lack(call, &manifest.snapshot).await? {
        return Ok(Some(why));
    }
    let kinds: Vec<Kind> = check.unseen().collect();
    for kind in kinds {
        let prefix = call.root.prefix_of(kind);
        let mut cursor = None;
        while !check.has_seen_all(kind) {
            let page = call.bucket.page(&prefix, cursor).await?;
            for (key, size) in &page.objects {
                if let Some(id) = named(key, &prefix)
                    && let Err(why) = check.see(kind, &id, *size)
                {
                    return Ok(Some(why));
                }
            }
            cursor = page.next;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok(check.done().err())
}

/// The snapshot itself is small, so its bytes are looked at.
async fn snapshot_lack(call: &Call<'_>, id: &ObjectId) -> Result<Option<String>, Refusal> {
    let item = Item::Object(Kind::Snapshots, *id);
    let found = call.bucket.bytes(&item.key(&call.root), item.longest()).await?;
    Ok(match found {
        None => Some(format!("snapshot {id} is not there")),
        Some(bytes) if ObjectId::of(&bytes) != *id => Some(format!("snapshot {id} has other bytes than its name says")),
        Some(_) => None,
    })
}
