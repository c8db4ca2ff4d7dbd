//! A folder with files of all kinds that a backup meets, and how two folders are compared.

use molt_common::snapshot::ObjectId;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

/// Fills a folder: `small` files of various sizes in folders, names that are not plain, a link, an empty file and folder, and one file of `large`
/// bytes that nothing compresses.
///
/// # Panics
/// When the disk refuses.
pub fn write_tree(folder: &Path, small: u32, large: usize) {
    for number in 0..small {
        let place = folder.join(format!("folder {}", number % 7)).join("deeper");
        fs::create_dir_all(&place).expect("a folder");
        let text = format!("line of file {number}\n").repeat(number as usize % 50);
        fs::write(place.join(format!("file-{number}.txt")), text).expect("a file");
    }
    fs::create_dir_all(folder.join("empty")).expect("a folder");
    fs::write(folder.join("nothing"), "").expect("a file");
    fs::write(folder.join("naïve name\n with a line end"), "x").expect("a file");
    fs::write(folder.join("run.sh"), "#!/bin/sh\n").expect("a file");
    fs::set_permissions(folder.join("run.sh"), fs::Permissions::from_mode(0o750)).expect("a mode");
    symlink("nothing", folder.join("link")).expect("a link");
    let mut state = 0x2545_F491_4F6C_DD1D_u64 ^ (large as u64);
    let mut bytes = Vec::with_capacity(large + 8);
    while bytes.len() < large {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    fs::write(folder.join("large.bin"), &bytes).expect("a file");
}

/// Everything below a folder: its relative path, and in words what it is, with mode and hash.
///
/// # Panics
/// When it cannot be read.
#[must_use]
pub fn listing(folder: &Path) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a folder") {
            let path = entry.expect("an entry").path();
            let about = fs::symlink_metadata(&path).expect("metadata");
            let mode = about.permissions().mode() & 0o7777;
            let what = if about.is_dir() {
                folders.push(path.clone());
                format!("folder {mode:o}")
            } else if about.is_symlink() {
                format!("link to {}", fs::read_link(&path).expect("a link").display())
            } else {
                format!("file {mode:o} {}", ObjectId::of(&fs::read(&path).expect("a file")))
            };
            let name = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
            all.insert(name, what);
        }
    }
    assert!(!all.is_empty(), "{} is empty", folder.display());
    all
}
