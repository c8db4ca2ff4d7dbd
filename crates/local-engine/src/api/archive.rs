//! Files in and out of a container, for its `/etc` alone: that is where the runtime puts the certificate of the network's authority.
//!
//! The rest of a container's files belongs to what runs in it, and is nothing that a process of the host should follow links in.

use std::io;
use std::path::{Component, Path, PathBuf};

use crate::container::{Container, Kind};
use crate::engine::Engine;
use crate::error::EngineError;

/// The container's `/etc` on the host. Nothing inside can write to it.
pub fn etc_of(engine: &Engine, container: &Container) -> Result<PathBuf, EngineError> {
    match container.kind {
        Kind::App(_) => Ok(engine.files_of(container).join("etc")),
        Kind::Sidecar(_) => Err(EngineError::NotImplemented("files of a sidecar".to_owned())),
    }
}

/// Unpacks `tar` into the directory that the parameter `path` names.
pub fn put(etc: &Path, path: Option<&String>, tar: &[u8]) -> Result<(), EngineError> {
    let base = etc.join(below_etc(path)?);
    let fault = |error| EngineError::Io("cannot unpack the archive", error);
    for entry in tar::Archive::new(tar).entries().map_err(fault)? {
        let mut entry = entry.map_err(fault)?;
        let name = entry.path().map_err(fault)?.into_owned();
        if !name
            .components()
            .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Err(EngineError::BadRequest(format!(
                "the archive leads out of its directory: {}",
                name.display()
            )));
        }
        let target = base.join(name);
        match entry.header().entry_type() {
            tar::EntryType::Directory => std::fs::create_dir_all(&target).map_err(fault)?,
            tar::EntryType::Regular => write(&target, &mut entry).map_err(fault)?,
            other => return Err(EngineError::NotImplemented(format!("{other:?} in an archive"))),
        }
    }
    Ok(())
}

fn write(target: &Path, content: &mut impl io::Read) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if let Some(parent) = target.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let mut file = std::fs::File::create(target)?;
    io::copy(content, &mut file)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// A tar of the file or directory that the parameter `path` names.
pub fn get(etc: &Path, path: Option<&String>) -> Result<Vec<u8>, EngineError> {
    let inside = below_etc(path)?;
    let source = etc.join(&inside);
    let fault = |error| EngineError::Io("cannot pack the archive", error);
    let name = source.file_name().map(PathBuf::from).unwrap_or_default();
    let mut tar = tar::Builder::new(Vec::new());
    tar.follow_symlinks(false);
    if source.is_dir() {
        tar.append_dir_all(name, &source).map_err(fault)?;
    } else if source.is_file() {
        tar.append_path_with_name(&source, name).map_err(fault)?;
    } else {
        return Err(EngineError::NoContainer(format!("path /etc/{}", inside.display())));
    }
    tar.into_inner().map_err(fault)
}

/// What follows `/etc` in a path; an error for any other place.
fn below_etc(path: Option<&String>) -> Result<PathBuf, EngineError> {
    let path = path.ok_or_else(|| EngineError::BadRequest("path is missing".to_owned()))?;
    let inside = Path::new(path)
        .strip_prefix("/etc")
        .map_err(|_| EngineError::NotImplemented(format!("archives outside of /etc ({path})")))?;
    if inside
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
    {
        Ok(inside
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect())
    } else {
        Err(EngineError::BadRequest(format!("path {path} is not plain")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tar_of(name: &str, content: &[u8]) -> Vec<u8> {
        let mut header = tar::Header::new_ustar();
        // Set as bytes, for the library refuses to write what these tests must read.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        let mut tar = tar::Builder::new(Vec::new());
        tar.append(&header, content).unwrap();
        tar.into_inner().unwrap()
    }

    #[test]
    fn the_certificate_arrives_where_the_runtime_puts_it_and_can_be_read_back() {
        let etc = tempfile::tempdir().unwrap();
        let tar = tar_of("cloudflare/certs/cloudflare-containers-ca.crt", b"PEM");
        put(etc.path(), Some(&"/etc".to_owned()), &tar).unwrap();
        let file = "cloudflare/certs/cloudflare-containers-ca.crt";
        assert_eq!(std::fs::read(etc.path().join(file)).unwrap(), b"PEM");
        let back = get(etc.path(), Some(&format!("/etc/{file}"))).unwrap();
        let mut entries = tar::Archive::new(back.as_slice());
        let mut entry = entries.entries().unwrap().next().unwrap().unwrap();
        let mut text = String::new();
        io::Read::read_to_string(&mut entry, &mut text).unwrap();
        assert_eq!(text, "PEM");
    }

    #[test]
    fn nothing_leaves_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        let etc = parent.path().join("etc");
        std::fs::create_dir(&etc).unwrap();
        for name in ["../escaped", "/tmp/../escaped", "a/../../escaped"] {
            put(&etc, Some(&"/etc".to_owned()), &tar_of(name, b"x")).unwrap_err();
        }
        assert!(!parent.path().join("escaped").exists());
        for path in ["/etc/../root", "/home/agent", "/", "etc"] {
            assert!(put(&etc, Some(&path.to_owned()), &tar_of("x", b"x")).is_err(), "{path}");
        }
        assert!(put(&etc, None, &tar_of("x", b"x")).is_err());
    }
}
