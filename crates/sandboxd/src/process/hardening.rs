//! What the supervisor's own processes do to keep their secrets to themselves.

use nix::sys::prctl;

/// Closes `/proc/<pid>/environ` and `/proc/<pid>/mem` of this process to everything that is not privileged, even to processes of the
/// same user, and refuses tracing by them.
pub fn make_undumpable() {
    if let Err(error) = prctl::set_dumpable(false) {
        tracing::warn!(%error, "cannot make this process undumpable");
    }
}

/// Makes this process the parent of every orphan among its descendants. PID 1 is that anyway; a shim needs it to find what a command
/// has put into the background, and `init` needs it where it is not PID 1.
pub fn adopt_orphans() {
    if let Err(error) = prctl::set_child_subreaper(true) {
        tracing::warn!(%error, "cannot adopt orphans");
    }
}
