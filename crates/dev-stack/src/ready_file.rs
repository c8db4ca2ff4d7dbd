//! The file that tells scripts and tests how to use the stack.

use std::path::Path;

use serde::Serialize;

/// Contents of the ready file, as JSON with camelCase names.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ReadyFile {
    /// Address of the first router.
    pub url: String,
    /// Addresses of all routers.
    pub urls: Vec<String>,
    /// Bootstrap secret of the admin API.
    pub admin_secret: String,
    /// People who can sign in.
    pub users: Vec<ReadyUser>,
    /// Socket of the container engine; null when it is the Docker of the machine.
    pub engine_socket: Option<String>,
    /// The state folder, absolute.
    pub state_dir: String,
    /// Process id of the supervisor: TERM stops the stack.
    pub pid: u32,
    /// Programs that run now. Written anew when one is started again.
    pub processes: Vec<ReadyProcess>,
}

/// A person who can sign in.
#[derive(Clone, Serialize)]
pub struct ReadyUser {
    /// User id.
    pub id: &'static str,
    /// First name.
    pub name: &'static str,
    /// Token for `Authorization: Bearer`, good for 24 h.
    pub token: String,
}

/// A program of the stack.
#[derive(Clone, Debug, Serialize)]
pub struct ReadyProcess {
    /// `engine`, `workers`, or with one process per worker `router`, `router-2`, `admin`, `container-gateway`; and `legacy`.
    pub name: String,
    /// Its process id: wrangler's own, whose children are the runtimes.
    pub pid: i32,
    /// Where it listens on 127.0.0.1; null for the engine, which has a socket of its own.
    pub port: Option<u16>,
}

impl std::fmt::Debug for ReadyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadyFile")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl ReadyFile {
    /// Writes the file with mode 0600; a reader sees all of it or nothing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        crate::private_file::write(path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn scripts_find_the_names_they_rely_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ready.json");
        ReadyFile {
            url: "http://127.0.0.1:1".into(),
            urls: vec!["http://127.0.0.1:1".into()],
            admin_secret: "s".into(),
            users: vec![ReadyUser {
                id: "u",
                name: "Ada",
                token: "t".into(),
            }],
            engine_socket: None,
            state_dir: "/s".into(),
            pid: 7,
            processes: vec![ReadyProcess {
                name: "workers".into(),
                pid: 8,
                port: Some(9),
            }],
        }
        .write(&path)
        .unwrap();
        let read: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            read,
            json!({
                "url": "http://127.0.0.1:1", "urls": ["http://127.0.0.1:1"], "adminSecret": "s",
                "users": [{"id": "u", "name": "Ada", "token": "t"}], "engineSocket": null, "stateDir": "/s", "pid": 7,
                "processes": [{"name": "workers", "pid": 8, "port": 9}],
            })
        );
    }
}
