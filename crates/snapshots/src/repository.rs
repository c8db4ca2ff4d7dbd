//! Opening a repository, and beginning one.

use crate::backend::RestBackend;
use crate::failure::{Failure, Outcome};
use crate::http::Client;
use crate::kept::Kept;
use crate::key;
use crate::work_dir::WorkDir;
use molt_common::control::snapshot::RepositoryAccess;
use molt_common::snapshot::ObjectId;
use rustic_core::repofile::SnapshotFile;
use rustic_core::{
    ConfigOptions, Credentials, Id, IndexedFullStatus, KeyOptions, OpenStatus, Repository, RepositoryBackends,
    RepositoryOptions, RusticError, WriteBackend,
};
use std::sync::Arc;

/// Where a pack is closed. A worker that holds one has 128 MB for everything.
const PACK_SIZE: &str = "4MiB";
/// The largest piece of a file: a pack is at most this much larger than [`PACK_SIZE`].
const CHUNK_MAX_SIZE: &str = "4MiB";

/// A repository that is open, and the backend below it.
pub struct Opened<S> {
    /// As rustic_core has it.
    pub repository: Repository<S>,
    /// Where faults and figures are.
    pub backend: Arc<RestBackend>,
}

/// What opens a repository again and again.
pub struct Access {
    base: String,
    token: String,
    credentials: Credentials,
    kept: Option<Arc<Kept>>,
}

/// What failed: rather what the backend saw than what rustic_core made of it.
pub fn cause(backend: &RestBackend, error: Box<RusticError>) -> Failure {
    backend.fault().map_or_else(|| error.into(), Into::into)
}

impl Access {
    /// Reads what the supervisor was given.
    ///
    /// # Errors
    /// When the key is none.
    pub fn new(access: &RepositoryAccess) -> Outcome<Self> {
        let slash = if access.url.ends_with('/') { "" } else { "/" };
        Ok(Self {
            base: format!("{}{slash}restic/", access.url),
            token: access.token.clone(),
            credentials: key::credentials(&access.key)?,
            kept: None,
        })
    }

    /// With copies of the repository's records in this folder (`crate::kept`), for who saves and restores. Who verifies reads everything from the server.
    #[must_use]
    pub fn keeping(self, work_dir: &WorkDir) -> Self {
        let kept = Kept::new(work_dir.path().join("kept"));
        Self {
            kept: Some(Arc::new(kept)),
            ..self
        }
    }

    fn connect(&self) -> Outcome<(Repository<()>, Arc<RestBackend>)> {
        let backend = Arc::new(RestBackend::new(
            Client::new(&self.base, &self.token),
            self.kept.clone(),
        ));
        let shared: Arc<dyn WriteBackend> = backend.clone();
        // Its own cache keeps what was written too, so that nothing would be read back, and lies in a folder that it chooses.
        let options = RepositoryOptions::default().no_cache(true);
        let repository = Repository::new(&options, &RepositoryBackends::new(shared, None))?;
        Ok((repository, backend))
    }

    /// Opens what is there.
    ///
    /// # Errors
    /// When it was never begun, does not answer, or has another key.
    pub fn open(&self) -> Outcome<Opened<OpenStatus>> {
        let (repository, backend) = self.connect()?;
        match repository.config_id() {
            Ok(Some(_)) => {}
            Ok(None) => return Err(Failure::lasting("the repository was never begun: it has no config")),
            Err(error) => return Err(cause(&backend, error)),
        }
        let repository = repository.open(&self.credentials).map_err(|error| {
            backend.fault().map_or_else(
                || {
                    Failure::lasting(format!(
                        "the repository's config cannot be opened with its key: {}",
                        error.display_log()
                    ))
                },
                Into::into,
            )
        })?;
        Ok(Opened { repository, backend })
    }

    /// Opens it with a whole index.
    ///
    /// # Errors
    /// As [`Self::open`], and when an index cannot be read.
    pub fn open_indexed(&self) -> Outcome<Opened<IndexedFullStatus>> {
        let Opened { repository, backend } = self.open()?;
        let repository = repository.to_indexed().map_err(|error| cause(&backend, error))?;
        Ok(Opened { repository, backend })
    }

    /// Opens it, and begins it where it is empty. Whoever loses a race for that opens what the winner wrote.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_or_begin(&self) -> Outcome<Opened<OpenStatus>> {
        let (repository, backend) = self.connect()?;
        if repository
            .config_id()
            .map_err(|error| cause(&backend, error))?
            .is_none()
        {
            let options = ConfigOptions::default()
                .set_version(2_u32)
                .set_treepack_size(size(PACK_SIZE))
                .set_treepack_size_limit(size(PACK_SIZE))
                .set_treepack_growfactor(0_u32)
                .set_datapack_size(size(PACK_SIZE))
                .set_datapack_size_limit(size(PACK_SIZE))
                .set_datapack_growfactor(0_u32)
                .set_chunk_max_size(size(CHUNK_MAX_SIZE));
            if let Err(error) = repository.init(&self.credentials, &KeyOptions::default(), &options) {
                let failure = cause(&backend, error);
                return self.open().map_err(|_| failure);
            }
        }
        // Read back in any case: what counts is what the repository has, not what we meant.
        self.open()
    }
}

/// Their type of sizes, which they do not hand out by name. Tests see that the sizes are kept.
fn size<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// Our name of an object of theirs.
pub fn object_id(id: Id) -> ObjectId {
    // 32 bytes as 64 digits on either side.
    ObjectId::parse(&id.to_hex()).unwrap_or(ObjectId::new([0; 32]))
}

/// A snapshot's own record.
///
/// # Errors
/// When it is not there, or not readable.
pub fn snapshot<S: rustic_core::Open>(
    repository: &Repository<S>,
    backend: &RestBackend,
    id: ObjectId,
) -> Outcome<SnapshotFile> {
    let theirs: Id = id.to_string().parse().map_err(Failure::from)?;
    let mut file: SnapshotFile = repository
        .get_file(&theirs.into())
        .map_err(|error| cause(backend, error))?;
    file.id = theirs.into();
    Ok(file)
}
