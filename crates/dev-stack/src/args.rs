//! Command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::overrides::VarOverride;

/// Brings up the local stack: engine, workers, demo users.
#[derive(Debug, Parser)]
#[command(name = "dev-stack", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Starts the stack and stays until it is stopped (Ctrl-C or TERM). `scripts/dev` calls this with the paths it needs.
    Up(Box<UpArgs>),
    /// Runs a program and leaves nothing of it behind.
    #[command(hide = true)]
    Guard(GuardArgs),
    /// Becomes a program.
    #[command(hide = true)]
    Enter(EnterArgs),
}

/// The agent inside a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Agent {
    /// The real one.
    Openclaw,
    /// A small stand-in that echoes, for tests that need many sandboxes.
    Echo,
}

impl Agent {
    /// As the workers call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Openclaw => "openclaw",
            Self::Echo => "echo",
        }
    }
}

/// Rate limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Limits {
    /// As in production.
    Default,
    /// High enough for tests.
    Test,
}

impl Limits {
    /// As the router calls them.
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Test => "test",
        }
    }
}

/// What runs the sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum EngineKind {
    /// Our stand-in: isolated processes, no images.
    Local,
    /// The Docker engine of this machine.
    Docker,
}

/// Options of `up`.
#[derive(Clone, Debug, Args)]
pub struct UpArgs {
    /// Port of the first router on 127.0.0.1; 0 takes free ones
    #[arg(long, default_value_t = 8787)]
    pub port: u16,
    /// Folder for the state (Durable Objects, KV, R2, D1), secrets and logs; it survives a restart
    #[arg(long, default_value = ".dev")]
    pub state_dir: PathBuf,
    /// File that receives address, tokens and process ids as JSON once the stack is ready (mode 0600)
    #[arg(long)]
    pub ready_file: Option<PathBuf>,
    /// The agent inside the sandboxes
    #[arg(long, value_enum, default_value_t = Agent::Openclaw)]
    pub agent: Agent,
    /// Rate limits
    #[arg(long, value_enum, default_value_t = Limits::Default)]
    pub limits: Limits,
    /// Each worker in a process of its own
    #[arg(long)]
    pub split: bool,
    /// Number of routers, on consecutive ports; more than one implies --split
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub routers: u16,
    /// Runs this worker, a folder with a wrangler.jsonc, as what ran before, behind flags that are off
    #[arg(long, value_name = "DIR", num_args = 0..=1, require_equals = true, default_missing_value = "tests/fixtures/legacy")]
    pub legacy: Option<PathBuf>,
    /// What runs the sandboxes
    #[arg(long, value_enum, default_value_t = EngineKind::Local)]
    pub engine: EngineKind,
    /// Lets sandboxes reach this host at this address although it is private; may be repeated
    #[arg(long, value_name = "NAME=IP:PORT", value_parser = parse_allowed_host)]
    pub allow_host: Vec<String>,
    /// Lets a server of this machine stand for a host of the internet, where sandboxes reach that through the edge; may be repeated
    #[arg(long, value_name = "HOST:PORT=IP:PORT")]
    pub internet_host: Vec<String>,
    /// PEM file with an authority that such servers' certificates are trusted by
    #[arg(long, value_name = "FILE")]
    pub internet_ca: Option<PathBuf>,
    /// Port of the local engine's way to the internet; 0 takes a free one
    #[arg(long, default_value_t = 0, hide = true)]
    pub forward_port: u16,
    /// Most sandboxes that run at the same time; a start beyond that is refused as for want of room
    #[arg(long, value_name = "N")]
    pub max_containers: Option<usize>,
    /// Gives a worker this variable instead of the one in its configuration; may be repeated
    #[arg(long, value_name = "WORKER.NAME=VALUE")]
    pub var: Vec<VarOverride>,
    /// File with further secrets of the workers: {"router": {"NAME": "VALUE"}}
    #[arg(long, value_name = "FILE")]
    pub secrets_file: Option<PathBuf>,
    /// Origin that the first router takes itself to be reached under, such as https://bot.example; it still listens on plain http
    #[arg(long, value_name = "SCHEME://HOST", value_parser = parse_public_origin)]
    pub public_origin: Option<PublicOrigin>,
    /// Folder of each worker that holds the build to run, instead of the one in its configuration
    #[arg(long, hide = true)]
    pub workers_build: Option<String>,
    /// Does not open a browser
    #[arg(long)]
    pub no_open: bool,
    /// Seconds until the stack must answer
    #[arg(long, default_value_t = 120, hide = true)]
    pub ready_timeout: u64,
    /// Paths of the tools.
    #[command(flatten)]
    pub tools: ToolPaths,
}

/// Scheme and host of a deployment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicOrigin {
    /// `http` or `https`.
    pub scheme: String,
    /// Host, with a port where it has one.
    pub host: String,
}

/// Where the tools are, as scripts/lib/env.sh sets it.
#[derive(Clone, Debug, Args)]
pub struct ToolPaths {
    /// The clone
    #[arg(long, env = "MOLT_ROOT", hide = true)]
    pub root: PathBuf,
    /// Node that runs wrangler
    #[arg(long, env = "MOLT_NODE", hide = true)]
    pub node: PathBuf,
    /// wrangler's command-line file
    #[arg(long, env = "MOLT_WRANGLER", hide = true)]
    pub wrangler: PathBuf,
    /// Folder of the native tools
    #[arg(long, env = "MOLT_BIN", hide = true)]
    pub bin: PathBuf,
    /// Folder into which the agent was installed
    #[arg(long, env = "MOLT_OPENCLAW", hide = true)]
    pub openclaw: Option<PathBuf>,
}

/// Options of `guard`.
#[derive(Debug, Args)]
pub struct GuardArgs {
    /// File that receives the process id of the program
    #[arg(long)]
    pub pid_file: PathBuf,
    /// Milliseconds between TERM and KILL
    #[arg(long)]
    pub grace_ms: u64,
    /// Program and arguments
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Options of `enter`.
#[derive(Debug, Args)]
pub struct EnterArgs {
    /// Process id of the guard; without it the program gets a session of its own
    #[arg(long)]
    pub guard: Option<i32>,
    /// Program and arguments
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Checks the form and leaves the meaning to the engine.
fn parse_allowed_host(text: &str) -> Result<String, String> {
    let (name, address) = text.split_once('=').ok_or("it must look like NAME=IP:PORT")?;
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    address
        .parse::<std::net::SocketAddr>()
        .map_err(|_| format!("{address:?} is no IP:PORT"))?;
    Ok(text.to_owned())
}

fn parse_public_origin(text: &str) -> Result<PublicOrigin, String> {
    match text.split_once("://") {
        Some((scheme @ ("http" | "https"), host)) if !host.is_empty() && !host.contains(['/', '@', '?', '#']) => {
            Ok(PublicOrigin {
                scheme: scheme.to_owned(),
                host: host.to_owned(),
            })
        }
        _ => Err("it must look like https://HOST".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_host_is_allowed_by_name_and_address() {
        assert!(parse_allowed_host("models.test=127.0.0.1:9000").is_ok());
        assert!(parse_allowed_host("models.test=[::1]:9000").is_ok());
        for bad in [
            "models.test",
            "=127.0.0.1:9000",
            "models.test=127.0.0.1",
            "models.test=localhost:9000",
        ] {
            assert!(parse_allowed_host(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_origin_has_scheme_and_host_and_nothing_else() {
        let origin = parse_public_origin("https://bot.example").unwrap();
        assert_eq!((origin.scheme.as_str(), origin.host.as_str()), ("https", "bot.example"));
        for bad in [
            "bot.example",
            "ftp://bot.example",
            "https://",
            "https://bot.example/",
            "https://a@b",
        ] {
            assert!(parse_public_origin(bad).is_err(), "{bad}");
        }
    }
}
