//! The plain environment of the agent and of commands. It is built from nothing, so no variable of the supervisor can slip through.

use std::collections::BTreeMap;
use std::path::Path;

use crate::settings::Layout;

/// Prefix of the variables that belong to the platform. A caller may not set one either: a command must not be able to pose as configured.
pub const RESERVED_PREFIX: &str = "MOLT_";

/// Where the platform puts the certificate of its own authority, when the sandbox's HTTPS is led through the edge (docs/outbound.md).
const AUTHORITY: &str = "/etc/cloudflare/certs/cloudflare-containers-ca.crt";
/// Variables by which programs are told of an authority: Node beside those it knows, OpenSSL and what is built on it (curl, Python, Ruby), git, Python's
/// requests and pip, cargo, the AWS tools, Deno. Nothing else is spoken to where this authority is: no other port leads out.
const TRUST: [&str; 8] = [
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "GIT_SSL_CAINFO",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
    "DENO_CERT",
];

/// What lets programs trust `authority`; nothing when it is not there.
fn trust(authority: &Path) -> impl Iterator<Item = (String, String)> {
    let file = authority.is_file().then(|| authority.to_string_lossy().into_owned());
    TRUST
        .into_iter()
        .filter_map(move |name| Some((name.to_owned(), file.clone()?)))
}

/// Environment of every command: search path, home, user, locale, terminal, and whom to trust.
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
    .chain(trust(Path::new(AUTHORITY)))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_of_an_authority_that_is_there_and_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        assert_eq!(trust(&file).count(), 0);
        std::fs::write(&file, "PEM").unwrap();
        let told: BTreeMap<String, String> = trust(&file).collect();
        assert_eq!(told["NODE_EXTRA_CA_CERTS"], file.to_string_lossy());
        assert_eq!(told.len(), TRUST.len());
    }
}
