//! What is noted on the supervisor's own part of the disk, for the next `serve` of the same boot.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::state::Mark;
use crate::settings::Layout;
use crate::shim::record;

/// Where the notes and the child's folder are. `init` empties both at each boot.
pub struct Marks {
    mark: PathBuf,
    attempt: PathBuf,
    work_dir: PathBuf,
}

impl Marks {
    /// In the supervisor's folder.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn new(layout: &Layout) -> io::Result<Self> {
        let run = layout.state_dir.join("run");
        let work_dir = layout.state_dir.join("snapshots");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&work_dir)?;
        Ok(Self {
            mark: run.join("disk.json"),
            attempt: run.join("restoring"),
            work_dir,
        })
    }

    /// The child's own folder.
    pub fn work_dir(&self) -> &Path {
        &self.work_dir
    }

    /// What was noted when the disk held what it should; nothing before.
    ///
    /// # Errors
    /// When it is there and cannot be read: to restore once more would cost what was written since.
    pub fn read(&self) -> io::Result<Option<Mark>> {
        read(&self.mark)
    }

    /// Notes it.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn write(&self, mark: &Mark) -> io::Result<()> {
        record(&self.mark, mark)
    }

    /// Notes that an attempt to restore begins. What an earlier one left in `home` goes first, be it half a restore or a whole one of which it was never
    /// noted that it was: no agent has started, so nobody else has written there.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn begin_attempt(&self, home: &Path) -> io::Result<()> {
        if self.attempt.try_exists()? {
            for entry in fs::read_dir(home)? {
                let entry = entry?;
                match entry.file_type()?.is_dir() {
                    true => fs::remove_dir_all(entry.path())?,
                    false => fs::remove_file(entry.path())?,
                }
            }
        }
        fs::write(&self.attempt, "")
    }

    /// The attempt was refused: what is in the home is not its own.
    pub fn forget_attempt(&self) {
        let _ = fs::remove_file(&self.attempt);
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::settings;

    fn marks(state: &Path) -> Marks {
        fs::create_dir(state.join("run")).unwrap();
        let mut layout = settings::tests::layout();
        layout.state_dir = state.to_owned();
        Marks::new(&layout).unwrap()
    }

    #[test]
    fn a_further_attempt_begins_with_nothing() {
        let (home, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "").unwrap();
        let marks = marks(state.path());
        let home = home.path();
        fs::write(home.join(".profile"), "of the image").unwrap();
        marks.begin_attempt(home).unwrap();
        assert!(
            home.join(".profile").exists(),
            "what is there before the first is judged by it"
        );
        fs::create_dir_all(home.join("deep/er")).unwrap();
        symlink(outside.path(), home.join("out")).unwrap();
        marks.begin_attempt(home).unwrap();
        assert_eq!(fs::read_dir(home).unwrap().count(), 0);
        assert!(
            outside.path().join("kept").exists(),
            "a link is removed, not what it leads to"
        );
        fs::write(home.join("foreign"), "").unwrap();
        marks.forget_attempt();
        marks.begin_attempt(home).unwrap();
        assert!(home.join("foreign").exists());
    }

    #[test]
    fn a_mark_that_cannot_be_read_is_not_taken_for_none() {
        let state = tempfile::tempdir().unwrap();
        let marks = marks(state.path());
        assert_eq!(marks.read().unwrap(), None);
        let mark = Mark {
            interval_ms: 7,
            ..Mark::default()
        };
        marks.write(&mark).unwrap();
        assert_eq!(marks.read().unwrap(), Some(mark));
        fs::write(state.path().join("run/disk.json"), "{").unwrap();
        assert!(marks.read().is_err());
    }
}
