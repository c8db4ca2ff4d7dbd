//! Files of a snapshot, read from the repository in R2: the key never leaves the object, and of a file one blob is in memory at a time.

pub mod archive;
mod entry;
mod objects;

use super::Call;
use super::refusal::Refusal;
use crate::sandbox::snapshots::{Snapshots, key};
use crate::sandbox_do::Sandbox;
use entry::{entry, etag};
use futures_util::stream;
use molt_common::byte_range::ByteRange;
use molt_common::control::files::{FileEntry, FileKind, FileList, FileView, cursor};
use molt_common::files_call::header::{GENERATION, KIND, SNAPSHOT, SOURCE, TAKEN_AT};
use molt_common::id::{SandboxId, UserId};
use molt_common::snapshot::{ListedSnapshot, SnapshotId};
use molt_platform::bucket::Bucket;
use molt_platform::forward::header;
use molt_platform::{log, respond};
use molt_repository_reader::{BlobIndex, Content, Id, Node, NodeKind, ReadError, Repository, RepositoryKey};
use objects::SavedObjects;
use serde_json::json;
use web_sys::Response;
use worker::{Error, FixedLengthStream};

/// Entries of a page when the caller does not say how many.
const USUAL: u32 = 200;

/// A snapshot, opened.
pub struct Saved {
    /// Its repository.
    pub repository: Repository<SavedObjects>,
    /// What is where in it.
    pub index: BlobIndex,
    /// Tree of the home.
    pub root: Id,
    /// As it is listed.
    pub listed: ListedSnapshot,
}

/// Answers from a snapshot.
pub(super) async fn answer(object: &Sandbox, call: &Call<'_>) -> Result<Response, Refusal> {
    let answered = perform(object, call).await;
    if let Err(Refusal::Read(error)) = &answered
        && error.is_fault()
    {
        log::error(
            "snapshot_not_read",
            json!({"requestId": call.order.author.request_id, "sandbox": object.state.id().name(), "error": error.to_string()}),
        );
    }
    answered
}

async fn perform(object: &Sandbox, call: &Call<'_>) -> Result<Response, Refusal> {
    let saved = open(object, call).await?;
    let names: Vec<&[u8]> = call.query.path.names().collect();
    let found = saved.repository.find(&saved.index, &saved.root, &names).await?;
    match call.query.view {
        FileView::Stat => respond_json(&saved, &told(call, found.as_ref())),
        FileView::List => list(call, &saved, found.as_ref()).await,
        FileView::Content => content(call, saved, found),
        FileView::Tar => {
            let tree = folder(&saved, found.as_ref())?;
            let sandbox = SandboxId::personal(call.order.user).to_string();
            archive::archive(saved, tree, sandbox).await
        }
    }
}

async fn open(object: &Sandbox, call: &Call<'_>) -> Result<Saved, Refusal> {
    open_of(object, call.order.user, call.order.snapshot).await
}

/// Opens a snapshot of this user's; the newest that counts when none is named.
pub async fn open_of(object: &Sandbox, user: UserId, snapshot: Option<SnapshotId>) -> Result<Saved, Refusal> {
    let snapshots = Snapshots::of(object)?;
    let listed = match snapshot {
        Some(id) => snapshots.get(id)?,
        None => snapshots.list()?.head().cloned(),
    };
    let listed = listed.ok_or(Refusal::NoSnapshot)?;
    let key = key::open(object, user)?.json();
    let key = key.map_err(|error| Error::RustError(error.to_string()))?;
    let objects = SavedObjects {
        bucket: Bucket::of(&object.env, "MOLTBOT_BUCKET")?,
        root: key::root(object, user)?,
    };
    let repository = Repository::open(objects, RepositoryKey::from_json(&key)?).await?;
    let index = repository.index().await?;
    let root = repository.snapshot(&Id(*listed.id.bytes())).await?.tree;
    Ok(Saved {
        repository,
        index,
        root,
        listed,
    })
}

impl Saved {
    fn headers(&self) -> Vec<(&'static str, String)> {
        vec![
            (SOURCE, "snapshot".to_owned()),
            (SNAPSHOT, self.listed.id.to_string()),
            (TAKEN_AT, self.listed.taken_at.iso()),
            (GENERATION, self.listed.generation.to_string()),
        ]
    }
}

fn borrowed<'a>(headers: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    headers.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn respond_json<T: serde::Serialize>(saved: &Saved, value: &T) -> Result<Response, Refusal> {
    let answer = respond::json(200, value)?;
    Ok(respond::adorned(&answer, &borrowed(&saved.headers()))?)
}

/// What a path leads to; the root of a snapshot is the home.
fn told(call: &Call<'_>, found: Option<&Node>) -> FileEntry {
    match found {
        Some(node) => entry(call.query.path.to_string(), node),
        None => FileEntry {
            name: String::new(),
            path: String::new(),
            kind: FileKind::Folder,
            size: 0,
            mode: "0755".to_owned(),
            modified_at: None,
            target: None,
            etag: None,
        },
    }
}

/// The tree of a folder; the root of a snapshot is the home.
fn folder(saved: &Saved, found: Option<&Node>) -> Result<Id, Refusal> {
    match found.map(|node| &node.kind) {
        None => Ok(saved.root),
        Some(NodeKind::Folder { tree }) => Ok(*tree),
        Some(_) => Err(Refusal::Read(ReadError::NotAFolder)),
    }
}

async fn list(call: &Call<'_>, saved: &Saved, found: Option<&Node>) -> Result<Response, Refusal> {
    let tree = folder(saved, found)?;
    let tree = saved.repository.tree(&saved.index, &tree).await?;
    let limit = call.query.limit.unwrap_or(USUAL) as usize;
    let after = call.query.after.as_deref();
    let mut rest = tree
        .nodes
        .iter()
        .filter(|node| after.is_none_or(|after| node.name.as_slice() > after));
    let page: Vec<&Node> = rest.by_ref().take(limit).collect();
    let more = rest.next().is_some();
    let list = FileList {
        path: call.query.path.to_string(),
        next_cursor: page.last().filter(|_| more).map(|node| cursor(&node.name)),
        entries: page
            .into_iter()
            .map(|node| entry(call.query.path.encoded_child(&node.name), node))
            .collect(),
    };
    respond_json(saved, &list)
}

fn content(call: &Call<'_>, saved: Saved, found: Option<Node>) -> Result<Response, Refusal> {
    let head = call.request.method() == "HEAD";
    let mut headers = saved.headers();
    headers.push(("cache-control", "no-store, no-transform".to_owned()));
    let node = found.unwrap_or_else(|| Node {
        name: Vec::new(),
        kind: NodeKind::Folder { tree: saved.root },
        mode: 0o755,
        mtime: String::new(),
        owner: (0, 0),
    });
    let (kind, parts) = match node.kind {
        NodeKind::File { content, .. } => ("file", Some(content)),
        NodeKind::Folder { .. } => ("folder", None),
        NodeKind::Link { .. } => ("link", None),
        NodeKind::Other => ("other", None),
    };
    let Some(parts) = parts else {
        if head {
            headers.push((KIND, kind.to_owned()));
            return Ok(respond::with(200, &borrowed(&headers), None)?);
        }
        return Err(if kind == "folder" {
            Refusal::Kind("is_a_folder", "it is a folder")
        } else {
            Refusal::Kind("not_a_file", "it is no regular file")
        });
    };
    let tag = etag(&parts);
    headers.push(("content-type", "application/octet-stream".to_owned()));
    headers.push(("accept-ranges", "bytes".to_owned()));
    let unchanged = header(call.request, "if-none-match").is_some_and(|tags| names(&tags, &tag));
    let same = header(call.request, "if-range").is_none_or(|asked| asked == tag);
    headers.push(("etag", tag));
    if unchanged {
        return Ok(respond::with(304, &borrowed(&headers), None)?);
    }
    let content = Content::new(&saved.index, parts)?;
    let size = content.size();
    let range = header(call.request, "range").filter(|_| same);
    let (status, content, length) = match range.as_deref().and_then(ByteRange::parse).map(|range| range.of(size)) {
        None => (200, content, size),
        Some(Some(span)) => {
            headers.push(("content-range", span.content_range(size)));
            let wanted = span.offset..span.offset.saturating_add(span.length);
            (206, content.only(&saved.index, &wanted)?, span.length)
        }
        Some(None) => {
            headers.push(("content-range", format!("bytes */{size}")));
            return Ok(respond::with(416, &borrowed(&headers), None)?);
        }
    };
    if head {
        headers.push(("content-length", length.to_string()));
        return Ok(respond::with(status, &borrowed(&headers), None)?);
    }
    let sandbox = SandboxId::personal(call.order.user).to_string();
    let parts = stream::try_unfold((saved, content), move |(saved, mut content)| {
        let sandbox = sandbox.clone();
        async move {
            match content.next(&saved.repository, &saved.index).await {
                Ok(None) => Ok(None),
                Ok(Some(bytes)) => Ok(Some((bytes, (saved, content)))),
                // The answer has begun: it breaks off, so that nobody takes it for the whole.
                Err(error) => {
                    let error = error.to_string();
                    log::error("snapshot_not_read", json!({"sandbox": sandbox, "error": error}));
                    Err(Error::RustError(error))
                }
            }
        }
    });
    let streamed: Response = worker::Response::from_stream(FixedLengthStream::wrap(parts, length))?.into();
    let Some(body) = streamed.body() else {
        return Ok(respond::with(status, &borrowed(&headers), None)?);
    };
    headers.push(("content-length", length.to_string()));
    Ok(respond::streaming(status, &borrowed(&headers), &body)?)
}

/// Whether a list of tags names this one; what compresses an answer on its way marks its tag as weak.
fn names(tags: &str, etag: &str) -> bool {
    let mut tags = tags.split(',').map(str::trim);
    tags.any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
