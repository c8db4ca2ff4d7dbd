//! The stack's R2 bucket as it is when storage fails: its local store has nowhere to read from and to write to, until it is mended.

use crate::stack::Stack;
use std::fs;
use std::path::{Path, PathBuf};

/// Folder of a bucket in which its objects lie.
const BLOBS: &str = "blobs";

/// Storage that fails for as long as this lives.
pub struct BrokenBucket {
    moved: Vec<PathBuf>,
}

impl BrokenBucket {
    /// Breaks it: what reads or writes an object fails from now on.
    ///
    /// # Panics
    /// When there is no bucket, or it cannot be moved.
    #[must_use]
    pub fn of(stack: &Stack) -> Self {
        let moved = folders(&stack.ready.state_dir.join("workers/v3/r2"));
        assert!(!moved.is_empty(), "the stack has no bucket with objects");
        for folder in &moved {
            fs::rename(folder, aside(folder)).expect("another name");
            // Nothing can be made below a file.
            fs::write(folder, "").expect("a file");
        }
        Self { moved }
    }

    /// Storage is as it was.
    ///
    /// # Panics
    /// When it cannot be moved back.
    pub fn mend(mut self) {
        self.put_back().expect("the bucket as it was");
    }

    fn put_back(&mut self) -> std::io::Result<()> {
        for folder in std::mem::take(&mut self.moved) {
            fs::remove_file(&folder)?;
            fs::rename(aside(&folder), &folder)?;
        }
        Ok(())
    }
}

impl Drop for BrokenBucket {
    fn drop(&mut self) {
        drop(self.put_back());
    }
}

fn aside(folder: &Path) -> PathBuf {
    folder.with_extension("aside")
}

fn folders(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && entry.file_name() == BLOBS {
            found.push(path);
        } else if path.is_dir() {
            found.extend(folders(&path));
        }
    }
    found
}
