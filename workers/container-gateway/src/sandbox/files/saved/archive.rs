//! A folder of a snapshot as a tar archive, member by member: of a file one blob is in memory at a time. Files that were one file by another name are written
//! each by itself; pipes, sockets and devices are left out.

use super::{Saved, borrowed};
use crate::sandbox::files::refusal::Refusal;
use futures_util::stream;
use molt_common::tar_entry::END;
use molt_common::tar_member::{TarKind, header, padding};
use molt_common::time::Millis;
use molt_platform::{log, respond};
use molt_repository_reader::{Content, Id, Node, NodeKind, ReadError};
use serde_json::json;
use web_sys::Response;
use worker::Error;

/// What is other in an archive for the old system.
pub struct ForLegacy {
    /// Our home, and its own.
    pub homes: (Vec<u8>, Vec<u8>),
    /// A member that is written with other bytes.
    pub replaced: Option<(Vec<u8>, Vec<u8>)>,
}

/// Where the archive is.
pub struct Walk {
    /// What it is written from.
    pub saved: Saved,
    /// How it differs, if it does.
    pub legacy: Option<ForLegacy>,
    /// Regular files so far, and bytes of them.
    pub written: (u64, u64),
    /// Folders on the way down: the names of their members begin with this, and these are still to come.
    folders: Vec<(Vec<u8>, std::vec::IntoIter<Node>)>,
    /// What is left of a file, and what fills it up.
    file: Option<(Content, Vec<u8>)>,
    ended: bool,
}

impl Walk {
    /// All of the folder of this tree, as members below `name`, which is empty or ends with a slash.
    ///
    /// # Errors
    /// When its root cannot be read.
    pub async fn of(saved: Saved, tree: Id, name: &[u8], legacy: Option<ForLegacy>) -> Result<Self, ReadError> {
        let root = saved.repository.tree(&saved.index, &tree).await?;
        Ok(Self {
            saved,
            legacy,
            written: (0, 0),
            folders: vec![(name.to_vec(), root.nodes.into_iter())],
            file: None,
            ended: false,
        })
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// When something of it cannot be read.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        loop {
            if let Some((content, rest)) = &mut self.file {
                if let Some(bytes) = content.next(&self.saved.repository, &self.saved.index).await? {
                    return Ok(Some(bytes));
                }
                let rest = std::mem::take(rest);
                self.file = None;
                if rest.is_empty() {
                    continue;
                }
                return Ok(Some(rest));
            }
            let Some((before, nodes)) = self.folders.last_mut() else {
                let last = (!self.ended).then(|| END.to_vec());
                self.ended = true;
                return Ok(last);
            };
            let Some(node) = nodes.next() else {
                self.folders.pop();
                continue;
            };
            let name = [before.as_slice(), &node.name].concat();
            if let Some(blocks) = self.member(name, node).await? {
                return Ok(Some(blocks));
            }
        }
    }

    async fn member(&mut self, mut name: Vec<u8>, node: Node) -> Result<Option<Vec<u8>>, ReadError> {
        let mtime = Millis::parse_iso(&node.mtime).map_or(0, |at| at.0 / 1_000);
        Ok(match node.kind {
            NodeKind::File { .. } if self.replacement(&name).is_some() => {
                let bytes = self.replacement(&name).unwrap_or_default().to_vec();
                let size = bytes.len() as u64;
                self.wrote(size);
                let head = header(&name, TarKind::File(size), node.mode, mtime);
                Some([head, bytes, padding(size)].concat())
            }
            NodeKind::File { content, .. } => {
                let content = Content::new(&self.saved.index, content)?;
                let size = content.size();
                self.wrote(size);
                self.file = Some((content, padding(size)));
                Some(header(&name, TarKind::File(size), node.mode, mtime))
            }
            NodeKind::Folder { tree } => {
                name.push(b'/');
                let tree = self.saved.repository.tree(&self.saved.index, &tree).await?;
                let blocks = header(&name, TarKind::Folder, node.mode, mtime);
                self.folders.push((name, tree.nodes.into_iter()));
                Some(blocks)
            }
            NodeKind::Link { target } => {
                let target = self.led(target);
                Some(header(&name, TarKind::Link(&target), node.mode, mtime))
            }
            NodeKind::Other => None,
        })
    }

    fn wrote(&mut self, size: u64) {
        self.written = (self.written.0.saturating_add(1), self.written.1.saturating_add(size));
    }

    fn replacement(&self, name: &[u8]) -> Option<&[u8]> {
        let (replaced, bytes) = self.legacy.as_ref()?.replaced.as_ref()?;
        (replaced == name).then_some(bytes.as_slice())
    }

    /// Where a link leads in the other home.
    fn led(&self, target: Vec<u8>) -> Vec<u8> {
        let Some(ForLegacy { homes: (from, to), .. }) = &self.legacy else {
            return target;
        };
        let rest = target.strip_prefix(from.as_slice());
        match rest.filter(|rest| rest.is_empty() || rest.starts_with(b"/")) {
            Some(rest) => [to.as_slice(), rest].concat(),
            None => target,
        }
    }
}

/// Answers with the archive of the folder of this tree. It breaks off when something cannot be read, so that nobody takes it for the whole.
pub async fn archive(saved: Saved, tree: Id, sandbox: String) -> Result<Response, Refusal> {
    let mut headers = saved.headers();
    headers.push(("content-type", "application/x-tar".to_owned()));
    headers.push(("cache-control", "no-store, no-transform".to_owned()));
    let walk = Walk::of(saved, tree, b"", None).await?;
    let parts = stream::try_unfold((walk, sandbox), async |(mut walk, sandbox)| match walk.next().await {
        Ok(None) => Ok(None),
        Ok(Some(bytes)) => Ok(Some((bytes, (walk, sandbox)))),
        Err(error) => {
            let error = error.to_string();
            log::error("snapshot_not_read", json!({"sandbox": sandbox, "error": error}));
            Err(Error::RustError(error))
        }
    });
    let streamed: Response = worker::Response::from_stream(parts)?.into();
    match streamed.body() {
        Some(body) => Ok(respond::streaming(200, &borrowed(&headers), &body)?),
        None => Ok(respond::with(200, &borrowed(&headers), None)?),
    }
}
