//! Repositories of sandboxes: tokens as the platform makes them, calls of restic's protocol, restic itself, and what lies in the local bucket.

use crate::call::Call;
use crate::people::User;
use crate::secrets::used;
use crate::stack::Stack;
use molt_common::id::{SandboxId, UserId};
use molt_common::repository_keys::RepositoryKeys;
use molt_common::repository_token::{Access, RepositoryClaims};
use molt_common::snapshot::{ObjectId, REPOSITORY_PATH};
use molt_common::time::Millis;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::TempDir;
use tokio::process::Command;

/// How long a token of a test is good.
const LIFETIME_MS: u64 = 600_000;

/// The repository of one user's sandbox.
pub struct Repository<'a> {
    stack: &'a Stack,
    sandbox: SandboxId,
}

/// What came of a run of restic.
#[derive(Debug)]
pub struct Ran {
    /// Whether it ended well.
    pub ok: bool,
    /// Standard output.
    pub stdout: String,
    /// Both outputs, for messages.
    pub told: String,
}

impl Ran {
    /// Its standard output.
    ///
    /// # Panics
    /// When it did not end well.
    #[allow(clippy::must_use_candidate)] // Often all that matters is that it did.
    pub fn succeeded(self) -> String {
        assert!(self.ok, "restic failed: {}", self.told);
        self.stdout
    }
}

/// Whether restic is there. Where it is not, this says aloud that a test was left out; `scripts/setup --for test` installs it.
#[must_use]
pub fn has_restic() -> bool {
    let there = std::process::Command::new("restic")
        .arg("version")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        eprintln!("SKIPPED: restic is not installed, so nothing was shown with it");
    }
    there
}

impl Stack {
    /// The repository of a user's sandbox.
    ///
    /// # Panics
    /// When his id is none.
    #[must_use]
    pub fn repository(&self, user: &User) -> Repository<'_> {
        Repository {
            stack: self,
            sandbox: SandboxId::personal(UserId::parse(&user.id).expect("a user id")),
        }
    }
}

impl Repository<'_> {
    /// What a token of the first generation says.
    #[must_use]
    pub fn claims(&self, access: Access) -> RepositoryClaims {
        RepositoryClaims {
            sandbox: self.sandbox.clone(),
            incarnation: 0,
            generation: 1,
            access,
            until: Millis(crate::people::now() * 1_000 + LIFETIME_MS),
        }
    }

    /// A token that says this.
    ///
    /// # Panics
    /// When the stack's keys are none.
    #[must_use]
    pub fn token_of(&self, claims: &RepositoryClaims) -> String {
        let keys = RepositoryKeys::parse(&self.stack.secrets.repository_keys.to_string()).expect("keys");
        let token = claims.mint(&keys).expect("a token");
        used("a token of a repository", &token);
        token
    }

    /// A token with this access.
    #[must_use]
    pub fn token(&self, access: Access) -> String {
        self.token_of(&self.claims(access))
    }

    /// A path in it.
    #[must_use]
    pub fn path(&self, rest: &str) -> String {
        format!("{REPOSITORY_PATH}/{}/{rest}", self.sandbox)
    }

    /// A call without a credential.
    pub fn bare(&self, method: &str, rest: &str) -> Call<'_> {
        self.stack.call(method, &self.path(rest))
    }

    /// A call with a token of this access.
    pub fn call(&self, access: Access, method: &str, rest: &str) -> Call<'_> {
        self.bare(method, rest).bearer(&self.token(access))
    }

    /// Stores an object of a kind; its name.
    ///
    /// # Panics
    /// When that is refused.
    pub async fn store(&self, kind: &str, bytes: Vec<u8>) -> ObjectId {
        let id = ObjectId::of(&bytes);
        let call = self.call(Access::Append, "POST", &format!("restic/{kind}/{id}"));
        call.body(bytes).send().await.expect(200);
        id
    }

    /// Names of all objects of a kind.
    ///
    /// # Panics
    /// When they cannot be listed.
    pub async fn names(&self, kind: &str) -> Vec<String> {
        let reply = self.call(Access::Read, "GET", &format!("restic/{kind}/")).send().await;
        serde_json::from_slice(&reply.expect(200).body).expect("names")
    }

    /// Runs restic with a token of this access. Neither token nor password is an argument.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn restic(&self, access: Access, arguments: &[&str]) -> Ran {
        let token = self.token(access);
        self.restic_with(&token, "a password of this test", arguments).await
    }

    /// Runs restic with this token and password. Neither is an argument.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn restic_with(&self, token: &str, password: &str, arguments: &[&str]) -> Ran {
        let home = TempDir::new().expect("a folder");
        let (authority, path) = (self.stack.authority(), self.path("restic/"));
        let output = Command::new("restic")
            .arg("--no-cache")
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", home.path())
            .env(
                "RESTIC_REPOSITORY",
                format!("rest:http://sandbox:{token}@{authority}{path}"),
            )
            .env("RESTIC_PASSWORD", password)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("restic");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let stdout = text(&output.stdout);
        Ran {
            ok: output.status.success(),
            told: format!("{stdout}{}", text(&output.stderr)),
            stdout,
        }
    }

    /// The file of the local bucket that holds an object, found by its contents: a name is their hash.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn file(&self, id: &ObjectId) -> PathBuf {
        let bucket = self.stack.ready.state_dir.join("workers");
        let holds = |path: &PathBuf| fs::read(path).is_ok_and(|bytes| ObjectId::of(&bytes) == *id);
        let mut found = blobs(&bucket).into_iter().filter(holds);
        found
            .next()
            .unwrap_or_else(|| panic!("{id} is in no file below {}", bucket.display()))
    }
}

fn blobs(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(blobs(&path));
        } else if path.components().any(|part| part.as_os_str() == "blobs") {
            found.push(path);
        }
    }
    found
}
