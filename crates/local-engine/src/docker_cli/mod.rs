//! Stand-in for the `docker` command, as far as wrangler calls it.

mod command;
mod socket;
mod template;

use std::io::Write;
use std::process::ExitCode;

use command::{Command, parse};

/// Carries out the command that `args` (without the program's name) hold.
pub fn run(args: &[String]) -> ExitCode {
    match parse(args).and_then(|(host, command)| carry_out(host.as_deref(), command)) {
        Ok(text) => {
            // A reader that has gone away has heard enough.
            drop(std::io::stdout().write_all(text.as_bytes()));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("docker (local-engine): {error}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(host: Option<&str>, command: Command) -> Result<String, String> {
    if let Command::ContextList = command {
        let endpoint = socket::endpoint(host)?;
        return Ok(
            serde_json::json!({"Current": true, "DockerEndpoint": endpoint, "Name": "default"}).to_string() + "\n",
        );
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(command::execute(&socket::Engine::new(host)?, command))
}
