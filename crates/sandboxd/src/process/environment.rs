//! The plain environment of the agent and of commands. It is built from nothing, so no variable of the supervisor can slip through.

use std::collections::BTreeMap;
use std::path::Path;

use crate::settings::Layout;

/// Prefix of the variables that belong to the platform. A caller may not set one either: a command must not be able to pose as configured.
pub const RESERVED_PREFIX: &str = "MOLT_";

/// Environment of every command: search path, home, user, locale, terminal.
pub fn plain(layout: &Layout) -> BTreeMap<String, String> {
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let path = [
        text(&layout.node_bin),
        "/usr/local/bin".to_owned(),
        "/usr/bin".to_owned(),
        "/bin".to_owned(),
        // Last, so that the programs of the agent's dependencies never hide the system's; it makes the agent's own CLI available.
        text(&layout.openclaw_dir.join("node_modules/.bin")),
    ]
    .join(":");
    [
        ("PATH", path),
        ("HOME", text(&layout.home)),
        ("USER", "agent".to_owned()),
        ("LOGNAME", "agent".to_owned()),
        ("SHELL", "/bin/sh".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TERM", "dumb".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
