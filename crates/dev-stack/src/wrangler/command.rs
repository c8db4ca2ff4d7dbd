//! Command lines and environment of `wrangler`. Pure.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::args::PublicOrigin;

/// Where wrangler is and what surrounds it.
#[derive(Clone, Debug)]
pub struct Wrangler {
    /// Node that runs it.
    pub node: PathBuf,
    /// Its command-line file.
    pub script: PathBuf,
    /// Folder of the Durable Objects, KV, R2 and D1.
    pub persist_to: PathBuf,
}

/// Options of one `wrangler dev`.
#[derive(Clone, Debug)]
pub struct DevOptions<'a> {
    /// Configurations; the first answers on the port.
    pub configs: &'a [PathBuf],
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Port of the inspector: two processes would fight for the default one.
    pub inspector_port: u16,
    /// Origin that the first worker sees in its requests; the address it listens on when absent.
    pub public_origin: Option<&'a PublicOrigin>,
}

impl Wrangler {
    /// `wrangler dev`.
    pub fn dev(&self, options: &DevOptions<'_>) -> Vec<String> {
        let mut command = self.base();
        command.push("dev".to_owned());
        for config in options.configs {
            command.extend(["-c".to_owned(), text(config)]);
        }
        command.extend([
            format!("--port={}", options.port),
            "--ip=127.0.0.1".to_owned(),
            format!("--inspector-port={}", options.inspector_port),
            format!("--persist-to={}", text(&self.persist_to)),
            // Or every request would seem to come for the deployment's host name.
            "--infer-origin-from-routes=false".to_owned(),
            "--local".to_owned(),
            "--show-interactive-dev-session=false".to_owned(),
        ]);
        if let Some(origin) = options.public_origin {
            command.push(format!("--local-upstream={}", origin.host));
            command.push(format!("--upstream-protocol={}", origin.scheme));
        }
        command
    }

    /// `wrangler d1 migrations apply` for the local database.
    pub fn migrate(&self, config: &Path, database: &str) -> Vec<String> {
        self.database(&["migrations", "apply"], config, database)
    }

    /// `wrangler d1 execute` of a file of SQL for the local database.
    pub fn execute_sql(&self, config: &Path, database: &str, file: &Path) -> Vec<String> {
        let mut command = self.database(&["execute"], config, database);
        command.extend([format!("--file={}", text(file)), "--yes".to_owned()]);
        command
    }

    fn database(&self, verb: &[&str], config: &Path, database: &str) -> Vec<String> {
        let mut command = self.base();
        command.push("d1".to_owned());
        command.extend(verb.iter().map(|word| (*word).to_owned()));
        command.extend([
            database.to_owned(),
            "--local".to_owned(),
            format!("--persist-to={}", text(&self.persist_to)),
            "-c".to_owned(),
            text(config),
        ]);
        command
    }

    fn base(&self) -> Vec<String> {
        vec![text(&self.node), "--no-warnings".to_owned(), text(&self.script)]
    }
}

/// What surrounds every `wrangler` process.
#[derive(Clone, Debug)]
pub struct Surroundings<'a> {
    /// Its `HOME`: a person's own settings and log-in play no part.
    pub home: &'a Path,
    /// Temporary files.
    pub temporary: &'a Path,
    /// Where the processes of this stack find each other.
    pub registry: &'a Path,
    /// Folder of its Node, put in front of `PATH` for what it starts.
    pub node_folder: &'a Path,
    /// Socket and command line of the engine; `None` leaves it to the Docker of the machine.
    pub engine: Option<(&'a Path, &'a Path)>,
}

/// Variables of the caller that a wrangler process needs: how to reach a network, where Docker is, the language. All others, a
/// Cloudflare account's above all, stay outside.
const INHERITED: [&str; 18] = [
    "LANG",
    "LC_ALL",
    "TZ",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "XDG_RUNTIME_DIR",
];

/// The whole environment of a wrangler process, from the variables of this one.
pub fn environment(surroundings: &Surroundings<'_>, own: &dyn Fn(&str) -> Option<OsString>) -> Vec<(String, String)> {
    let own = |name: &str| own(name).and_then(|value| value.into_string().ok());
    let mut env: Vec<(String, String)> = INHERITED
        .iter()
        .filter_map(|name| own(name).map(|value| ((*name).to_owned(), value)))
        .collect();
    let path = own("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".to_owned());
    let mut set = |name: &str, value: String| env.push((name.to_owned(), value));
    set("PATH", format!("{}:{path}", text(surroundings.node_folder)));
    set("HOME", text(surroundings.home));
    set("XDG_CONFIG_HOME", text(&surroundings.home.join(".config")));
    set("XDG_CACHE_HOME", text(&surroundings.home.join(".cache")));
    set("TMPDIR", text(surroundings.temporary));
    set("WRANGLER_REGISTRY_PATH", text(surroundings.registry));
    let local = [
        // A database of every call with its URL and headers as they came, which nothing reads.
        ("X_LOCAL_OBSERVABILITY", "false"),
        // A made-up `Request.cf` does; fetching a real one would make every start depend on the network.
        ("CLOUDFLARE_CF_FETCH_ENABLED", "false"),
    ];
    for (name, value) in wrangler_config::QUIET.into_iter().chain(local) {
        set(name, value.to_owned());
    }
    match surroundings.engine {
        Some((socket, program)) => {
            set("WRANGLER_DOCKER_HOST", format!("unix://{}", text(socket)));
            set("WRANGLER_DOCKER_BIN", text(program));
        }
        None => {
            if own("DOCKER_CONFIG").is_none()
                && let Some(home) = own("HOME")
            {
                set("DOCKER_CONFIG", format!("{home}/.docker"));
            }
        }
    }
    env
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surroundings<'a>(engine: Option<(&'a Path, &'a Path)>) -> Surroundings<'a> {
        Surroundings {
            home: Path::new("/s/home"),
            temporary: Path::new("/s/tmp"),
            registry: Path::new("/s/registry"),
            node_folder: Path::new("/tools/node/bin"),
            engine,
        }
    }

    fn get<'a>(env: &'a [(String, String)], name: &str) -> Option<&'a str> {
        env.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn the_account_and_settings_of_the_caller_stay_outside() {
        let own = |name: &str| match name {
            "CLOUDFLARE_API_TOKEN" => Some("secret".into()),
            "HOME" => Some("/home/somebody".into()),
            "LANG" => Some("C.UTF-8".into()),
            "PATH" => Some("/usr/bin".into()),
            _ => None,
        };
        let env = environment(
            &surroundings(Some((Path::new("/s/e.sock"), Path::new("/s/docker")))),
            &own,
        );
        assert_eq!(get(&env, "CLOUDFLARE_API_TOKEN"), None);
        assert_eq!(get(&env, "HOME"), Some("/s/home"));
        assert_eq!(get(&env, "LANG"), Some("C.UTF-8"));
        assert_eq!(get(&env, "PATH"), Some("/tools/node/bin:/usr/bin"));
        assert_eq!(get(&env, "WRANGLER_DOCKER_HOST"), Some("unix:///s/e.sock"));
        assert_eq!(get(&env, "DOCKER_CONFIG"), None);
    }

    #[test]
    fn a_real_docker_is_found_as_the_caller_would() {
        let own = |name: &str| (name == "HOME").then(|| "/home/somebody".into());
        let env = environment(&surroundings(None), &own);
        assert_eq!(get(&env, "WRANGLER_DOCKER_HOST"), None);
        assert_eq!(get(&env, "DOCKER_CONFIG"), Some("/home/somebody/.docker"));
    }

    #[test]
    fn every_configuration_is_given_in_order() {
        let wrangler = Wrangler {
            node: "/n".into(),
            script: "/w.js".into(),
            persist_to: "/s/workers".into(),
        };
        let configs = [PathBuf::from("/a.json"), PathBuf::from("/b.json")];
        let command = wrangler.dev(&DevOptions {
            configs: &configs,
            port: 8787,
            inspector_port: 9,
            public_origin: None,
        });
        assert_eq!(
            command[..8],
            ["/n", "--no-warnings", "/w.js", "dev", "-c", "/a.json", "-c", "/b.json"]
        );
        assert!(command.contains(&"--port=8787".to_owned()) && command.contains(&"--inspector-port=9".to_owned()));
    }

    #[test]
    fn a_worker_may_take_itself_to_be_elsewhere() {
        let wrangler = Wrangler {
            node: "/n".into(),
            script: "/w.js".into(),
            persist_to: "/s/workers".into(),
        };
        let origin = PublicOrigin {
            scheme: "https".into(),
            host: "bot.example".into(),
        };
        let command = |public_origin| {
            wrangler.dev(&DevOptions {
                configs: &[],
                port: 1,
                inspector_port: 2,
                public_origin,
            })
        };
        let told = [
            "--local-upstream=bot.example".to_owned(),
            "--upstream-protocol=https".to_owned(),
        ];
        assert!(command(Some(&origin)).ends_with(&told));
        assert!(told.iter().all(|option| !command(None).contains(option)));
    }
}
