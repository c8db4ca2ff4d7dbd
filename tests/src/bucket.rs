//! The stack's R2 bucket behind its workers' backs: what tests break there, the product has to notice.

use crate::people::User;
use crate::stack::Stack;
use crate::wait::until;
use molt_common::id::{SandboxId, UserId};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// The bucket's name (`wrangler/container-gateway.jsonc`).
const BUCKET: &str = "moltbot-data";

/// An object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Bytes.
    pub size: u64,
}

/// Prefix of the keys of a user's repository.
///
/// # Panics
/// When he has no id.
#[must_use]
pub fn repository(user: &User) -> String {
    let id = UserId::parse(&user.id).expect("an id");
    format!("snapshots/{}/", SandboxId::personal(id))
}

impl Stack {
    /// Objects whose keys begin so, in the order of keys.
    ///
    /// # Panics
    /// When the local store cannot be read.
    #[must_use]
    pub fn objects(&self, prefix: &str) -> Vec<Object> {
        let folder = self.ready.state_dir.join("workers/v3/r2/miniflare-R2BucketObject");
        let stores = fs::read_dir(folder)
            .expect("local buckets")
            .map(|entry| entry.expect("an entry").path());
        let mut objects: Vec<Object> = stores
            .filter(|path| path.extension().is_some_and(|end| end == "sqlite"))
            .filter(|path| path.file_stem().is_some_and(|name| name != "metadata"))
            .flat_map(|path| listed(&path, prefix))
            .collect();
        objects.sort_by(|one, other| one.key.cmp(&other.key));
        objects
    }

    /// The bytes of an object.
    ///
    /// # Panics
    /// When there is none.
    pub async fn object(&self, key: &str) -> Vec<u8> {
        let file = self.object_file();
        let (place, path) = (format!("{BUCKET}/{key}"), format!("--file={}", file.display()));
        self.wrangler("container-gateway", &["r2", "object", "get", &place, "--local", &path])
            .await;
        let bytes = fs::read(&file).expect("an object");
        fs::remove_file(file).expect("the file just written");
        bytes
    }

    /// Writes an object, or writes over it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub async fn put_object(&self, key: &str, bytes: &[u8]) {
        let file = self.object_file();
        fs::write(&file, bytes).expect("a file");
        let (place, path) = (format!("{BUCKET}/{key}"), format!("--file={}", file.display()));
        self.on_object(&["r2", "object", "put", &place, "--local", &path]).await;
        fs::remove_file(file).expect("the file just written");
    }

    /// Removes an object.
    ///
    /// # Panics
    /// When it cannot be removed.
    pub async fn delete_object(&self, key: &str) {
        let place = format!("{BUCKET}/{key}");
        self.on_object(&["r2", "object", "delete", &place, "--local"]).await;
    }

    /// Another process writes into the same store, and sometimes neither waits for the other. What is asked for here can be asked again.
    async fn on_object(&self, arguments: &[&str]) {
        until("the bucket takes it", Duration::from_secs(30), async || {
            self.try_wrangler("container-gateway", arguments).await.ok()
        })
        .await;
    }

    fn object_file(&self) -> PathBuf {
        self.ready
            .state_dir
            .join(format!("tmp/object-{}", uuid::Uuid::new_v4()))
    }
}

fn listed(store: &PathBuf, prefix: &str) -> Vec<Object> {
    let connection = Connection::open_with_flags(store, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the store");
    let mut statement = connection
        .prepare("select key, size from _mf_objects where substr(key, 1, length(?1)) = ?1")
        .expect("its table");
    let rows = statement.query_map([prefix], |row| {
        Ok(Object {
            key: row.get(0)?,
            size: row.get(1)?,
        })
    });
    rows.expect("rows").map(|row| row.expect("a row")).collect()
}
