//! Removing what a container leaves on the disk.

use crate::netns::NetworkNamespace;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio_util::task::TaskTracker;

/// Removes a directory with files of a sandbox, with the powers of its network's user namespace where ours do not suffice.
pub async fn remove(path: &Path, network: Option<&NetworkNamespace>) {
    let directory = path.to_owned();
    let removed = tokio::task::spawn_blocking(move || std::fs::remove_dir_all(directory)).await;
    let removed = match (removed.unwrap_or_else(|error| Err(io::Error::other(error))), network) {
        (Err(error), Some(network)) if error.kind() == io::ErrorKind::PermissionDenied => {
            network.remove_directory(path).await
        }
        (outcome, _) => outcome,
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "files of a container stay behind");
        }
        _ => {}
    }
}

/// Takes a directory out of the way at once and removes it behind: a hundred thousand files on a busy disk take longer than the next start waits for the
/// end of this container. What an engine that is killed leaves of it, the next one sweeps.
pub async fn discard(behind: &TaskTracker, path: &Path, network: Option<Arc<NetworkNamespace>>) {
    let gone = path.with_extension("removed");
    if std::fs::rename(path, &gone).is_err() {
        return remove(path, network.as_deref()).await;
    }
    behind.spawn(async move { remove(&gone, network.as_deref()).await });
}

#[cfg(test)]
mod tests {
    use super::discard;
    use tokio_util::task::TaskTracker;

    #[tokio::test]
    async fn what_is_removed_behind_can_be_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (files, behind) = (folder.path().join("files"), TaskTracker::new());
        std::fs::create_dir_all(files.join("home/below")).unwrap();
        discard(&behind, &files, None).await;
        assert!(!files.exists(), "it is out of the way");
        behind.close();
        behind.wait().await;
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
