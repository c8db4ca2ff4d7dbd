//! Removing what a container leaves on the disk.

use crate::netns::NetworkNamespace;
use std::io;
use std::path::Path;
use std::sync::Arc;

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
/// end of this container. What an engine that ends leaves of it, the next one sweeps.
pub async fn discard(path: &Path, network: Option<Arc<NetworkNamespace>>) {
    let gone = path.with_extension("removed");
    if std::fs::rename(path, &gone).is_err() {
        return remove(path, network.as_deref()).await;
    }
    tokio::spawn(async move { remove(&gone, network.as_deref()).await });
}
