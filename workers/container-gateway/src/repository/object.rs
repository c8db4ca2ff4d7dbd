//! Single things of a repository: whether they are there, their bytes, storing and removing them. Bodies pass in both directions without being
//! read here, as long as their length is known beforehand.

use crate::repository::Call;
use crate::repository::refusal::Refusal;
use molt_common::byte_range::ByteRange;
use molt_common::problem::Problem;
use molt_common::repository_path::{Item, Kind, LONGEST_CONFIG};
use molt_common::snapshot_call::MayRemove;
use molt_platform::bucket::{BucketError, Contents, Created, Reading};
use molt_platform::forward::{bounded, header};
use molt_platform::{call as object_call, respond};
use web_sys::Response;

/// Longest body that may come without its length, bytes: it is held in memory while it is counted.
const LONGEST_UNMEASURED: u64 = 16 * 1024 * 1024;
const BINARY: (&str, &str) = ("content-type", "application/octet-stream");
const RANGES: (&str, &str) = ("accept-ranges", "bytes");
/// What is stored is encrypted already, and whoever reads it counts bytes.
const UNTOUCHED: (&str, &str) = ("cache-control", "no-store, no-transform");

type Answered = Result<Response, Refusal>;

/// Whether it is there, and how long it is.
pub async fn stat(call: &Call<'_>, item: Item) -> Answered {
    match call.bucket.size(&item.key(&call.root)).await? {
        Some(size) => {
            let size = size.to_string();
            let headers = [BINARY, RANGES, UNTOUCHED, ("content-length", size.as_str())];
            Ok(respond::with(200, &headers, None)?)
        }
        None => Err(missing()),
    }
}

/// Its bytes, or one span of them.
pub async fn read(call: &Call<'_>, item: Item) -> Answered {
    let key = item.key(&call.root);
    match header(call.request, "range").as_deref().and_then(ByteRange::parse) {
        Some(range) => read_span(call, &key, range).await,
        None => {
            let Reading { body, .. } = call.bucket.read(&key, None).await?.ok_or_else(missing)?;
            Ok(respond::streaming(200, &[BINARY, RANGES, UNTOUCHED], &body)?)
        }
    }
}

/// The object never changes under its name, so its size may be asked for first.
async fn read_span(call: &Call<'_>, key: &str, range: ByteRange) -> Answered {
    let size = call.bucket.size(key).await?.ok_or_else(missing)?;
    let Some(span) = range.of(size) else {
        return Err(Refusal::Unsatisfiable(size));
    };
    match call.bucket.read(key, Some((span.offset, span.length))).await {
        Ok(Some(Reading { body, .. })) => {
            let content_range = span.content_range(size);
            let headers = [BINARY, RANGES, UNTOUCHED, ("content-range", content_range.as_str())];
            Ok(respond::streaming(206, &headers, &body)?)
        }
        Ok(None) => Err(missing()),
        Err(BucketError::Range) => Err(Refusal::Unsatisfiable(size)),
        Err(error) => Err(error.into()),
    }
}

/// Stores it. What is there already under the name of its contents is what was to be stored; a configuration is written once.
pub async fn write(call: &Call<'_>, item: Item) -> Answered {
    let key = item.key(&call.root);
    let created = match item {
        Item::Object(_, id) => {
            let contents = contents(call, item.longest()).await?;
            call.bucket.create(&key, contents, Some(*id.bytes())).await?;
            Created::Stored
        }
        Item::Config => {
            let bytes = whole(call, LONGEST_CONFIG).await?;
            let created = call.bucket.create(&key, Contents::Bytes(bytes.clone()), None).await?;
            // The answer to the first one may have been lost.
            if created == Created::Exists && call.bucket.bytes(&key, LONGEST_CONFIG).await? == Some(bytes) {
                Created::Stored
            } else {
                created
            }
        }
    };
    match created {
        Created::Stored => Ok(respond::with(200, &respond::DATA, None)?),
        Created::Exists => Err(Problem::new(
            409,
            "config_exists",
            "This repository has another configuration already; it is never replaced.",
        )
        .into()),
    }
}

/// Removes it. What is not there is removed already. But for locks, the sandbox's object is asked first: a generation that was replaced would go by an old
/// list, and take away what its successor has published.
pub async fn remove(call: &Call<'_>, item: Item) -> Answered {
    if !matches!(item, Item::Object(Kind::Locks, _)) {
        let generation = call.claims.generation;
        let object = object_call::sandbox(call.env, &call.root.sandbox)?;
        if !object_call::make(&object, &MayRemove { generation }).await? {
            let text = "The generation that this token was made for is over: it removes nothing any more.";
            return Err(Problem::new(403, "generation_over", text).into());
        }
    }
    call.bucket.remove(&item.key(&call.root)).await?;
    Ok(respond::with(200, &respond::DATA, None)?)
}

async fn contents(call: &Call<'_>, longest: u64) -> Result<Contents, Refusal> {
    let length = length(call)?;
    match (call.request.body(), length) {
        (Some(_), Some(length)) if length > longest => Err(too_large(longest)),
        (Some(body), Some(_)) => Ok(Contents::Stream(body)),
        (None, _) => Ok(Contents::Bytes(Vec::new())),
        (Some(_), None) => {
            let bound = longest.min(LONGEST_UNMEASURED);
            match bounded(call.request, usize::try_from(bound).unwrap_or(usize::MAX)).await? {
                Some(bytes) => Ok(Contents::Bytes(bytes)),
                None if bound < longest => Err(Problem::new(
                    411,
                    "length_required",
                    format!("A body of more than {bound} bytes must come with Content-Length."),
                )
                .into()),
                None => Err(too_large(longest)),
            }
        }
    }
}

/// The whole body of a call.
///
/// # Errors
/// 413 when it is longer than `longest` bytes.
pub async fn whole(call: &Call<'_>, longest: u64) -> Result<Vec<u8>, Refusal> {
    if length(call)?.is_some_and(|length| length > longest) {
        return Err(too_large(longest));
    }
    let bytes = bounded(call.request, usize::try_from(longest).unwrap_or(usize::MAX)).await?;
    bytes.ok_or_else(|| too_large(longest))
}

fn length(call: &Call<'_>) -> Result<Option<u64>, Refusal> {
    match header(call.request, "content-length") {
        None => Ok(None),
        Some(text) => match text.parse() {
            Ok(length) => Ok(Some(length)),
            Err(_) => Err(Problem::invalid("content-length", "is no number").into()),
        },
    }
}

fn too_large(longest: u64) -> Refusal {
    Problem::new(
        413,
        "too_large",
        format!("The body may have {longest} bytes at most here."),
    )
    .into()
}

fn missing() -> Refusal {
    Problem::not_found("The repository has nothing of this name.").into()
}
