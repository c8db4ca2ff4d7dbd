//! What a repository's objects hold: none of it makes the reader fail otherwise than with an error, and no more comes out than is allowed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use molt_common::home_path::HomePath;
use molt_repository_reader::parsers::{each_blob, expand_file, inflate, unquote};
use molt_repository_reader::{Id, RepositoryKey, Tree};

const MOST: usize = 1 << 20;

fuzz_target!(|data: (u8, &[u8])| {
    let (kind, bytes) = data;
    let text = String::from_utf8_lossy(bytes);
    match kind % 6 {
        0 => {
            let mut rows = 0_u32;
            let whole = each_blob(bytes, |_, _| {
                rows += 1;
                (rows < 10).then_some(())
            });
            assert!(rows <= 10 && (rows < 10 || whole.is_none()));
        }
        1 => {
            if let Ok(plain) = inflate(bytes, MOST) {
                assert!(plain.len() <= MOST);
            }
            if let Ok(plain) = expand_file(bytes.to_vec(), MOST) {
                assert!(plain.len() <= MOST.max(bytes.len()));
            }
        }
        2 => {
            if let Some(tree) = Tree::parse(bytes) {
                assert!(tree.nodes.is_sorted_by(|one, other| one.name <= other.name));
                for node in &tree.nodes {
                    // A name never leads anywhere but into its folder.
                    let path = HomePath::from_bytes(&node.name);
                    assert!(node.name.len() > 255 || path.is_ok_and(|path| path.names().len() == 1));
                    assert!(tree.get(&node.name).is_some());
                }
            }
        }
        3 => {
            if let Some(name) = unquote(&text) {
                assert!(name.len() <= text.len());
            }
        }
        4 => {
            if let Ok(path) = HomePath::parse(&text) {
                assert_eq!(HomePath::parse(&path.to_string()), Ok(path));
            }
            if let Some(id) = Id::parse(&text) {
                assert_eq!(id.to_string(), text);
            }
        }
        _ => {
            if let Ok(key) = RepositoryKey::from_json(&text) {
                assert!(key.open(bytes.to_vec()).is_none(), "nobody sealed it");
            }
        }
    }
});
