//! Names what is deployed by its contents, so that a second run sees that nothing changed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::worker::Worker;

/// What the sandbox's image is made from, below the root.
const IMAGE_INPUTS: [&str; 5] = [
    "images/sandbox",
    "crates/sandboxd",
    "crates/common",
    "Cargo.lock",
    "rust-toolchain.toml",
];

/// Sixteen hexadecimal digits over the worker as built, its configuration (made without ids, which do not change it, and without the
/// release itself) and, for the gateway, what its image is made from.
///
/// # Errors
/// When a file cannot be read, such as that of a worker which has not been built.
pub fn of(worker: Worker, root: &Path, config: &Value) -> io::Result<String> {
    let mut hash = Sha256::new();
    // Where the clone lies is nobody's business.
    let described = config.to_string().replace(&*root.to_string_lossy(), "");
    add(&mut hash, "configuration", described.as_bytes());
    let build = root.join("workers").join(worker.name()).join("build");
    if !build.join("index.js").is_file() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("{} is not built; run scripts/build", worker),
        ));
    }
    let mut inputs = vec![build];
    if worker == Worker::ContainerGateway {
        inputs.extend(IMAGE_INPUTS.map(|input| root.join(input)));
    }
    for input in inputs {
        for file in files(&input)? {
            let name = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().into_owned();
            add(&mut hash, &name, &fs::read(&file)?);
        }
    }
    let digest = hash.finalize();
    Ok(digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect())
}

/// Lengths first: nothing of one part can be taken for another.
fn add(hash: &mut Sha256, name: &str, contents: &[u8]) {
    for part in [name.as_bytes(), contents] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
}

/// All files below `path` in order, without hidden ones, which are notes of the build.
fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)?
        .map(|entry| Ok(entry?.path()))
        .collect::<io::Result<_>>()?;
    entries.retain(|entry| {
        let name = entry
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        !name.starts_with('.') && name != "node_modules" && name != "target"
    });
    entries.sort();
    let mut all = Vec::new();
    for entry in entries {
        all.extend(files(&entry)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn root() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in [
            "workers/router/build",
            "workers/container-gateway/build",
            "images/sandbox",
            "crates/sandboxd",
            "crates/common",
        ] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for file in [
            "workers/router/build/index.js",
            "workers/container-gateway/build/index.js",
            "images/sandbox/Dockerfile",
            "Cargo.lock",
            "rust-toolchain.toml",
        ] {
            fs::write(root.path().join(file), file).unwrap();
        }
        root
    }

    #[test]
    fn the_same_is_named_the_same_wherever_it_lies() {
        let (one, other) = (root(), root());
        let name = |root: &Path| {
            of(
                Worker::Router,
                root,
                &json!({"main": root.join("workers/router/build/index.js")}),
            )
            .unwrap()
        };
        assert_eq!(name(one.path()), name(other.path()));
        assert_eq!(name(one.path()).len(), 16);
        fs::write(one.path().join("workers/router/build/.fingerprint"), "note").unwrap();
        assert_eq!(name(one.path()), name(other.path()), "notes of the build do not count");
    }

    #[test]
    fn every_part_counts() {
        let root = root();
        let config = json!({"vars": {"A": "1"}});
        let gateway = |config: &Value| of(Worker::ContainerGateway, root.path(), config).unwrap();
        let first = gateway(&config);
        assert_ne!(gateway(&json!({"vars": {"A": "2"}})), first);
        fs::write(root.path().join("images/sandbox/Dockerfile"), "other").unwrap();
        let second = gateway(&config);
        assert_ne!(second, first);
        fs::write(root.path().join("workers/container-gateway/build/index.js"), "other").unwrap();
        assert_ne!(gateway(&config), second);
    }

    #[test]
    fn a_worker_that_is_not_built_is_said_to_be() {
        let error = of(Worker::Admin, root().path(), &json!({})).unwrap_err();
        assert!(error.to_string().contains("scripts/build"), "{error}");
    }
}
