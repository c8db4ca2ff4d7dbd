//! A home, a repository's server, and orders between them.
#![allow(dead_code, reason = "each group of tests uses some of it")]

pub mod process;
pub mod server;
pub mod tree;

use molt_common::control::snapshot::{RepositoryAccess, Upkeep};
use molt_common::snapshot::{Manifest, SnapshotId};
use molt_common::time::Millis;
use molt_snapshots::order::{Order, Outcome, Report, Work};
use server::Server;
use std::path::{Path, PathBuf};

/// A sandbox: its disk and its repository.
pub struct Sandbox {
    pub server: Server,
    pub key: String,
    disk: tempfile::TempDir,
}

impl Sandbox {
    pub fn new() -> Self {
        let disk = tempfile::tempdir().unwrap();
        let sandbox = Self {
            server: Server::start(),
            key: serde_json::to_string(&rustic_core::repofile::MasterKey::new()).unwrap(),
            disk,
        };
        std::fs::create_dir(sandbox.home()).unwrap();
        sandbox
    }

    pub fn home(&self) -> PathBuf {
        self.disk.path().join("home")
    }

    pub fn at(&self, path: &str) -> PathBuf {
        self.home().join(path)
    }

    pub fn work_dir(&self) -> PathBuf {
        self.disk.path().join("work")
    }

    pub fn order(&self, work: Work) -> Order {
        self.order_at(&self.home(), &self.work_dir(), work)
    }

    fn order_at(&self, home: &Path, work_dir: &Path, work: Work) -> Order {
        Order {
            repository: RepositoryAccess {
                url: self.server.url(),
                token: self.server.token(),
                key: self.key.clone(),
                until: Millis(0),
            },
            home: home.to_owned(),
            work_dir: work_dir.to_owned(),
            owner: (0, 0),
            work,
        }
    }

    pub fn run(&self, work: Work) -> Result<Outcome, (String, bool)> {
        carry_out(self.order(work))
    }

    pub fn save_on(&self, parent: Option<SnapshotId>) -> Result<Outcome, (String, bool)> {
        self.run(Work::Save {
            parent,
            tags: vec!["sandbox:test".to_owned()],
        })
    }

    pub fn save(&self, parent: Option<SnapshotId>) -> Manifest {
        match self.save_on(parent).unwrap() {
            Outcome::Saved { manifest } => manifest,
            other => panic!("{other:?}"),
        }
    }

    pub fn upkeep(&self, upkeep: Upkeep) -> Result<Outcome, (String, bool)> {
        self.run(Work::Upkeep { upkeep })
    }

    /// Restores onto a new disk.
    pub fn restored(&self, snapshot: SnapshotId) -> Result<tempfile::TempDir, (String, bool)> {
        let disk = tempfile::tempdir().unwrap();
        std::fs::create_dir(disk.path().join("home")).unwrap();
        let order = self.order_at(
            &disk.path().join("home"),
            &disk.path().join("work"),
            Work::Restore { snapshot },
        );
        let outcome = carry_out(order);
        if let Err(failure) = outcome {
            assert_eq!(
                std::fs::read_dir(disk.path().join("home")).unwrap().count(),
                0,
                "a failed restore left something behind"
            );
            return Err(failure);
        }
        Ok(disk)
    }
}

/// Carries an order out in this process.
pub fn carry_out(order: Order) -> Result<Outcome, (String, bool)> {
    let mut last = None;
    molt_snapshots::run(order, &mut |report| last = Some(report));
    match last {
        Some(Report::Done { outcome }) => Ok(*outcome),
        Some(Report::Failed { error, transient }) => Err((error, transient)),
        other => panic!("the last report is {other:?}"),
    }
}
