//! Folders of a snapshot.

use crate::go_quote::unquote;
use crate::id::Id;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// A folder: its entries, ordered by the bytes of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tree {
    /// What is in it.
    pub nodes: Vec<Node>,
}

/// An entry of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name, bytes as in the folder that was saved.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: NodeKind,
    /// Permissions, the twelve bits of Unix.
    pub mode: u32,
    /// When it was changed, RFC 3339 as it was written; empty when it was not.
    pub mtime: String,
    /// User and group.
    pub owner: (u32, u32),
}

/// What an entry is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A regular file.
    File {
        /// Bytes, as was noted when it was saved.
        size: u64,
        /// Its parts in order.
        content: Vec<Id>,
    },
    /// A folder.
    Folder {
        /// Its entries.
        tree: Id,
    },
    /// A symbolic link.
    Link {
        /// Where it leads, as bytes.
        target: Vec<u8>,
    },
    /// A pipe, a socket or a device.
    Other,
}

#[derive(Deserialize)]
struct Written {
    nodes: Option<Vec<WrittenNode>>,
}

#[derive(Deserialize)]
struct WrittenNode {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    mode: Option<u32>,
    #[serde(default)]
    mtime: Option<String>,
    #[serde(default)]
    uid: Option<u32>,
    #[serde(default)]
    gid: Option<u32>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    content: Option<Vec<Id>>,
    #[serde(default)]
    subtree: Option<Id>,
    #[serde(default)]
    linktarget: Option<String>,
    #[serde(default)]
    linktarget_raw: Option<String>,
}

impl Tree {
    /// Reads a folder's JSON; `None` when it is none.
    #[must_use]
    pub fn parse(json: &[u8]) -> Option<Self> {
        let written: Written = serde_json::from_slice(json).ok()?;
        let nodes: Option<Vec<Node>> = written.nodes.into_iter().flatten().map(Node::from_written).collect();
        let mut nodes = nodes?;
        // Restic orders by the quoted name.
        nodes.sort_by(|one, other| one.name.cmp(&other.name));
        Some(Self { nodes })
    }

    /// The entry of this name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<&Node> {
        let at = self
            .nodes
            .binary_search_by(|node| node.name.as_slice().cmp(name))
            .ok()?;
        self.nodes.get(at)
    }

    /// The same, without the others.
    #[must_use]
    pub fn take(mut self, name: &[u8]) -> Option<Node> {
        let at = self
            .nodes
            .binary_search_by(|node| node.name.as_slice().cmp(name))
            .ok()?;
        Some(self.nodes.swap_remove(at))
    }
}

impl Node {
    fn from_written(written: WrittenNode) -> Option<Self> {
        let name = unquote(&written.name)?;
        let odd = name.is_empty() || name == b"." || name == b".." || name.contains(&b'/') || name.contains(&0);
        if odd {
            return None;
        }
        let kind = match written.kind.as_str() {
            "file" => NodeKind::File {
                size: written.size.unwrap_or(0),
                content: written.content.unwrap_or_default(),
            },
            "dir" => NodeKind::Folder { tree: written.subtree? },
            "symlink" => NodeKind::Link {
                target: match written.linktarget_raw.filter(|raw| !raw.is_empty()) {
                    Some(raw) => STANDARD.decode(raw).ok()?,
                    None => written.linktarget?.into_bytes(),
                },
            },
            _ => NodeKind::Other,
        };
        Some(Self {
            name,
            kind,
            // Higher bits say in Go's way what `type` says.
            mode: permissions(written.mode.unwrap_or(0)),
            mtime: written.mtime.unwrap_or_default(),
            owner: (written.uid.unwrap_or(0), written.gid.unwrap_or(0)),
        })
    }
}

/// Go keeps set-uid, set-gid and sticky outside the lowest bits (`os.FileMode`).
const fn permissions(mode: u32) -> u32 {
    const SET_UID: u32 = 1 << 23;
    const SET_GID: u32 = 1 << 22;
    const STICKY: u32 = 1 << 20;
    let mut bits = mode & 0o777;
    if mode & SET_UID != 0 {
        bits |= 0o4000;
    }
    if mode & SET_GID != 0 {
        bits |= 0o2000;
    }
    if mode & STICKY != 0 {
        bits |= 0o1000;
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::{NodeKind, Tree};

    #[test]
    fn names_come_as_bytes_in_their_order_and_odd_ones_are_refused() {
        let text = br#"{"nodes":[
            {"name":"b","type":"fifo"},
            {"name":"\\xff","type":"symlink","linktarget":"?","linktarget_raw":"/w=="},
            {"name":"B","type":"file","mode":420,"size":3,"content":[]},
            {"name":"a","type":"symlink","linktarget":"../x"}]}"#;
        let tree = Tree::parse(text).unwrap();
        let names: Vec<&[u8]> = tree.nodes.iter().map(|node| node.name.as_slice()).collect();
        assert_eq!(names, [b"B".as_slice(), b"a", b"b", b"\xff"]);
        assert_eq!(tree.get(b"B").unwrap().mode, 0o644);
        assert_eq!(tree.get(b"\xff").unwrap().kind, NodeKind::Link { target: vec![0xff] });
        assert_eq!(tree.get(b"b").unwrap().kind, NodeKind::Other);
        assert_eq!(tree.get(b"c"), None);
        assert_eq!(Tree::parse(br#"{"nodes":null}"#).unwrap().nodes.len(), 0);
        for bad in ["", ".", "..", "a/b", r"a\\x00", r"\\", r"\\x2f"] {
            let text = format!(r#"{{"nodes":[{{"name":"{bad}","type":"fifo"}}]}}"#);
            assert_eq!(Tree::parse(text.as_bytes()), None, "{bad}");
        }
        assert_eq!(
            Tree::parse(br#"{"nodes":[{"name":"a","type":"dir"}]}"#),
            None,
            "a folder without entries"
        );
    }
}
