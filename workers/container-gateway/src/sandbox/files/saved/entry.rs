//! What is told of an entry of a snapshot.

use molt_common::control::files::{FileEntry, FileKind};
use molt_common::time::Millis;
use molt_repository_reader::{Id, Node, NodeKind};

/// A node as this API tells it.
pub fn entry(path: String, node: &Node) -> FileEntry {
    let (kind, size, target, tag) = match &node.kind {
        NodeKind::File { size, content } => (FileKind::File, *size, None, Some(etag(content))),
        NodeKind::Folder { .. } => (FileKind::Folder, 0, None, None),
        NodeKind::Link { target } => {
            let target = String::from_utf8_lossy(target).into_owned();
            (FileKind::Link, 0, Some(target), None)
        }
        NodeKind::Other => (FileKind::Other, 0, None, None),
    };
    FileEntry {
        name: String::from_utf8_lossy(&node.name).into_owned(),
        path,
        kind,
        size,
        mode: format!("{:04o}", node.mode),
        modified_at: Millis::parse_iso(&node.mtime),
        target,
        etag: tag,
    }
}

/// Version of a file: that of its parts, which are named by their contents.
pub fn etag(content: &[Id]) -> String {
    let ids: Vec<u8> = content.iter().flat_map(|id| id.0).collect();
    format!("\"{}\"", Id::of(&ids))
}
