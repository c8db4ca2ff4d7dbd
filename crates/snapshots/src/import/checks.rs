//! What lies on the disk is looked at before it counts: as much as was laid, databases whole, a configuration that is one and knows the new home.

use super::name;
use crate::beneath;
use crate::databases::{self, Place};
use crate::failure::{Failure, Outcome};
use crate::reader::open_regular;
use crate::source::{names, open_folder};
use crate::work_dir::WorkDir;
use molt_common::json5_depth;
use molt_common::legacy_data::{ImportReport, OLD_HOME, homed};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timestamps};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::Arc;

/// The agent's configuration, below the home.
const CONFIG: &str = ".openclaw/openclaw.json";
/// Longer ones are none.
const LONGEST_CONFIG: u64 = 4 * 1024 * 1024;
/// What an operator can do, at the end of a cause.
const ADVICE: &str = "an operator may choose another copy, or have it taken over as it is (molt backups import)";

/// Reads the configuration and brings the paths in it to the new home.
///
/// # Errors
/// When it is none and may not be.
pub fn paths(root: &OwnedFd, home: &Path, accept_damaged: bool, report: &mut ImportReport) -> Outcome<()> {
    let path = Path::new(CONFIG);
    let Ok((folder, file_name)) = beneath::parent(root, path) else {
        return Ok(());
    };
    let Ok((file, stat)) = open_regular(&folder, &file_name) else {
        return Ok(());
    };
    let failed = |error: std::io::Error| Failure::disk("rewriting", &home.join(path), &error);
    let mut text = String::new();
    let read = file.take(LONGEST_CONFIG).read_to_string(&mut text);
    let parsed = read.map_err(|error| error.to_string()).and_then(|_| {
        // Its parser recurses, and ours would end with it.
        if !json5_depth::is_shallow(&text) {
            return Err(format!("nested deeper than {}", json5_depth::DEEPEST));
        }
        // As the agent reads it.
        json5::from_str::<Value>(&text).map_err(|error| error.to_string())
    });
    let mut document = match parsed {
        Ok(document) => document,
        Err(why) if accept_damaged => {
            name(&mut report.damaged, CONFIG.as_bytes(), &why);
            return Ok(());
        }
        Err(why) => {
            return Err(Failure::lasting(format!(
                "{CONFIG} of {} cannot be read: {why}; {ADVICE}",
                report.source
            )));
        }
    };
    if homed(&mut document, OLD_HOME, &home.to_string_lossy()) == 0 {
        return Ok(());
    }
    let text = serde_json::to_vec_pretty(&document).map_err(|error| failed(error.into()))?;
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&folder, &file_name, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
    let mut file = File::from(opened);
    file.write_all(&text).map_err(failed)?;
    let times = Timestamps {
        last_access: rustix::fs::Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: 0,
        },
        last_modification: rustix::fs::Timespec {
            tv_sec: stat.st_mtime,
            tv_nsec: 0,
        },
    };
    rustix::fs::futimens(&file, &times).map_err(|error| failed(error.into()))?;
    let before = u64::try_from(stat.st_size).unwrap_or_default();
    report.bytes = report.bytes - before + text.len() as u64;
    report.rewritten.push(CONFIG.to_owned());
    Ok(())
}

/// Counts what lies there, and has SQLite look at every database.
///
/// # Errors
/// When it is not what was laid, or a database is damaged and may not be.
pub fn contents(
    root: &OwnedFd,
    home: &Path,
    work_dir: &WorkDir,
    accept_damaged: bool,
    report: &mut ImportReport,
) -> Outcome<()> {
    let staging = work_dir.empty_staging()?;
    let mut look = Look {
        home,
        copy: &staging.join("database"),
        seen: BTreeSet::new(),
        files: 0,
        bytes: 0,
        databases: 0,
        damaged: Vec::new(),
        damaged_count: 0,
    };
    look.folder(root, Path::new(""))
        .map_err(|error| Failure::disk("looking at", home, &error.into()))?;
    if (look.files, look.bytes) != (report.files, report.bytes) {
        return Err(Failure::lasting(format!(
            "{} files of {} bytes were unpacked, and {} of {} lie on the disk",
            report.files, report.bytes, look.files, look.bytes
        )));
    }
    report.databases = look.databases;
    if look.damaged_count > 0 && !accept_damaged {
        return Err(Failure::lasting(format!(
            "{} of the databases in {} are damaged ({}); {ADVICE}",
            look.damaged_count,
            report.source,
            look.damaged.join("; ")
        )));
    }
    report.damaged.append(&mut look.damaged);
    Ok(())
}

struct Look<'a> {
    home: &'a Path,
    copy: &'a Path,
    /// Files with several names count once.
    seen: BTreeSet<(u64, u64)>,
    files: u64,
    bytes: u64,
    databases: u64,
    damaged: Vec<String>,
    damaged_count: u64,
}

impl Look<'_> {
    fn folder(&mut self, folder: &OwnedFd, path: &Path) -> Result<(), rustix::io::Errno> {
        for file_name in names(folder)? {
            let path = path.join(&file_name);
            let stat = rustix::fs::statat(folder, &file_name, AtFlags::SYMLINK_NOFOLLOW)?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self.folder(&open_folder(folder, &file_name)?, &path)?,
                FileType::RegularFile if self.seen.insert((stat.st_dev, stat.st_ino)) => {
                    let size = u64::try_from(stat.st_size).unwrap_or_default();
                    self.files += 1;
                    self.bytes += size;
                    let whole = self.home.join(&path);
                    let place = Place {
                        folder,
                        name: &file_name,
                        path: &whole,
                    };
                    if place.is_database(size) {
                        self.database(place, &path);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn database(&mut self, place: Place<'_>, path: &Path) {
        match databases::copy(place, None, self.copy.to_owned(), &Arc::default()) {
            Ok(_) => self.databases += 1,
            Err(why) => {
                self.damaged_count += 1;
                name(&mut self.damaged, path.as_os_str().as_bytes(), &why);
            }
        }
        for ending in databases::BESIDE {
            let mut beside = self.copy.as_os_str().to_owned();
            beside.push(ending);
            let _ = std::fs::remove_file(beside);
        }
        let _ = std::fs::remove_file(self.copy);
    }
}

#[cfg(test)]
mod tests {
    use super::{CONFIG, ImportReport, paths};
    use std::fs::{self, File};
    use std::os::fd::OwnedFd;

    #[test]
    fn a_configuration_of_nothing_but_brackets_is_refused_and_not_parsed() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join(".openclaw")).unwrap();
        fs::write(home.path().join(CONFIG), "[".repeat(100_000)).unwrap();
        let root = OwnedFd::from(File::open(home.path()).unwrap());
        let mut report = ImportReport::default();
        let refused = paths(&root, home.path(), false, &mut report).unwrap_err();
        assert!(refused.to_string().contains("nested deeper than 64"), "{refused}");
        paths(&root, home.path(), true, &mut report).unwrap();
        assert_eq!(report.damaged.len(), 1, "{report:?}");
    }
}
