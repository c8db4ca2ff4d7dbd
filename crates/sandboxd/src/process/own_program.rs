//! Where this program can be started from once more.

use std::io;
use std::path::PathBuf;

/// The path of this program; once its file was replaced (a rebuild under a running sandbox), the kernel's own handle on it, so that all
/// parts of one boot are of one build.
///
/// # Errors
/// When the kernel does not say which program this is.
pub fn own_program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    Ok(if path.exists() { path } else { "/proc/self/exe".into() })
}
