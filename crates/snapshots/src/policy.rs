//! What of a home is not saved: caches, which their programs fill again, and nothing else. Never by a pattern that could meet work: no `.git`, no lock
//! files, no logs; and the folder in which the supervisor puts something back. Only folders are left out; a file or a link of such a name is saved.

use crate::home_staging;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Folders that are left out, relative to the home.
pub const CACHES: &[&str] = &[
    ".bun/install/cache",
    ".cache",
    ".cargo/registry/cache",
    ".cargo/registry/src",
    ".npm/_cacache",
    ".yarn/berry/cache",
];

/// Folders of this name that lie in a folder of that name are left out wherever they are: name of the parent, own name.
pub const CACHES_WITHIN: &[(&str, &str)] = &[("node_modules", ".cache")];

/// Folders of this name are left out wherever they are.
pub const CACHES_ANYWHERE: &[&str] = &["__pycache__"];

/// Whether the folder at `path` (relative to the home) is left out.
#[must_use]
pub fn left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    let parent = path.parent().and_then(Path::file_name).unwrap_or_default();
    path == Path::new(home_staging::NAME)
        || CACHES
            .iter()
            .any(|cache| path.as_os_str().as_bytes() == cache.as_bytes())
        || CACHES_ANYWHERE.iter().any(|cache| name == OsStr::new(cache))
        || CACHES_WITHIN
            .iter()
            .any(|(outer, inner)| parent == OsStr::new(outer) && name == OsStr::new(inner))
}

#[cfg(test)]
mod tests {
    use super::left_out;
    use std::path::Path;

    #[test]
    fn only_caches_are_left_out() {
        for path in [
            ".cache",
            ".npm/_cacache",
            "work/app/node_modules/.cache",
            "node_modules/.cache",
            "a/b/__pycache__",
        ] {
            assert!(left_out(Path::new(path)), "{path}");
        }
        for path in [
            "",
            ".npm",
            "work/.cache",
            ".git",
            "work/.git",
            "work/.cache/x",
            "package-lock.json",
            "logs",
            "x.log",
            "node_modules",
            "cache",
        ] {
            assert!(!left_out(Path::new(path)), "{path}");
        }
    }
}
