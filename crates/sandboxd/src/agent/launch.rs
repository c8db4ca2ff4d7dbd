//! How the agent of each kind is started.

use std::io;

use crate::process::confine::Confinement;
use crate::process::environment;
use crate::settings::{AgentKind, Settings};
use crate::shim::{AgentSpec, Launch};

/// Above the supervisor's 0, below a command's: when memory is short a command goes first, then the agent.
pub const OOM_SCORE_ADJ: u16 = 300;
/// Exact entry point of the package; its `bin` entry names the same file.
pub const OPENCLAW_ENTRY: &str = "node_modules/openclaw/openclaw.mjs";

/// What the agent's shim is to run.
pub fn agent_spec(settings: &Settings) -> io::Result<AgentSpec> {
    let layout = &settings.layout;
    let text = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let mut env = environment::plain(layout);
    let (program, args) = match settings.agent {
        AgentKind::Openclaw => {
            env.extend(openclaw_env());
            let port = layout.agent_port.to_string();
            let entry = text(layout.openclaw_dir.join(OPENCLAW_ENTRY));
            let args = [
                entry.as_str(),
                "gateway",
                "--port",
                &port,
                "--bind",
                "loopback",
                "--allow-unconfigured",
            ];
            (text(layout.node_bin.join("node")), args.map(str::to_owned).to_vec())
        }
        AgentKind::Echo => {
            let (port, delay) = (layout.agent_port.to_string(), layout.echo_start_delay_ms.to_string());
            let args = ["echo-agent", "--port", &port, "--start-delay-ms", &delay];
            (
                text(crate::process::own_program::own_program()?),
                args.map(str::to_owned).to_vec(),
            )
        }
    };
    let confinement = Confinement::of_agent_user(layout, layout.home.clone(), OOM_SCORE_ADJ);
    let state = layout.state_dir.join("agent");
    Ok(AgentSpec {
        launch: Launch {
            program,
            args,
            env,
            confinement,
        },
        stop_grace_ms: layout.agent_stop_grace_ms,
        log_path: state.join("agent.log"),
        result_path: state.join("result.json"),
    })
}

/// The gateway stays the process that we watch (no detached successor), does not replace itself in a read-only image, and does not announce
/// itself on the network.
pub fn openclaw_env() -> impl Iterator<Item = (String, String)> {
    [
        "OPENCLAW_NO_RESPAWN",
        "OPENCLAW_NO_AUTO_UPDATE",
        "OPENCLAW_DISABLE_BONJOUR",
    ]
    .into_iter()
    .map(|name| (name.to_owned(), "1".to_owned()))
}
