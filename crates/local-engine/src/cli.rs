//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::egress::allow_host::AllowHost;
use crate::forward::stand_in::StandIn;

/// Stand-in for a container engine, for development and tests.
#[derive(Debug, Parser)]
#[command(name = "local-engine", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the Docker Engine API on a socket until TERM or INT, or until the process that started this one has ended.
    Serve(ServeArgs),
    /// Stand-in for the `docker` command, as far as wrangler calls it. The socket comes from WRANGLER_DOCKER_HOST (unix://PATH).
    /// The same happens when the program is called by the name `docker`.
    Docker {
        /// Arguments of `docker`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
    /// Helper process: holds the namespaces of one sandbox.
    #[command(name = "__hold", hide = true)]
    Hold {
        /// Process id of the engine.
        engine: i32,
        /// Whether this is the host's root.
        #[arg(long)]
        privileged: bool,
    },
    /// Helper process: becomes a container.
    #[command(name = "__launch", hide = true)]
    Launch,
    /// Helper process: the last step into a container.
    #[command(name = "__enter", hide = true)]
    Enter {
        /// Descriptor of the pipe to the engine.
        report_fd: i32,
        /// Program of the container.
        program: String,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        args: Vec<String>,
    },
}

/// Arguments of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Where to listen: a path for a unix socket.
    #[arg(long, value_name = "PATH")]
    pub socket: PathBuf,
    /// Directory for the engine's own files, made if need be. One engine at a time uses it.
    #[arg(long, value_name = "DIR")]
    pub run_dir: PathBuf,
    /// JSON file that says what to run for which image.
    #[arg(long, value_name = "FILE")]
    pub images: PathBuf,
    /// Seconds that containers have to end after TERM when the engine ends; then they are killed.
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub grace: u64,
    /// Lets every sandbox reach IP:PORT of the host's network as NAME, at the same port. May be repeated.
    #[arg(long, value_name = "NAME=IP:PORT")]
    pub allow_host: Vec<AllowHost>,
    /// Port on loopback at which requests of the edge to the internet are passed on; without it, none are.
    #[arg(long, value_name = "PORT")]
    pub forward_port: Option<u16>,
    /// Lets a server of this machine stand for a host of the internet in what is passed on. May be repeated.
    #[arg(long, value_name = "HOST:PORT=IP:PORT")]
    pub internet_host: Vec<StandIn>,
    /// PEM file with an authority that such servers' certificates are trusted by, beside those of the machine.
    #[arg(long, value_name = "FILE")]
    pub internet_ca: Option<PathBuf>,
    /// Most sandboxes that run at the same time, as `max_instances` of a deployment; without it there is no limit.
    #[arg(long, value_name = "N")]
    pub max_containers: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn arguments_of_docker_are_passed_on_whatever_they_look_like() {
        let cli = Cli::try_parse_from([
            "local-engine",
            "docker",
            "--host",
            "unix:///x",
            "info",
            "--format",
            "{{json .X}}",
        ]);
        let Command::Docker { args } = cli.unwrap().command else {
            panic!()
        };
        assert_eq!(args, ["--host", "unix:///x", "info", "--format", "{{json .X}}"]);
    }

    #[test]
    fn a_host_that_cannot_be_allowed_is_refused_at_once() {
        let base = [
            "local-engine",
            "serve",
            "--socket",
            "s",
            "--run-dir",
            "r",
            "--images",
            "i",
            "--allow-host",
        ];
        let with = |value| Cli::try_parse_from(base.into_iter().chain([value]));
        assert!(with("model=127.0.0.1:1").is_ok());
        assert!(with("model").unwrap_err().to_string().contains("NAME=IP:PORT"));
    }
}
