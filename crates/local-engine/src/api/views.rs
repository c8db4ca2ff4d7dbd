//! What clients get to see of containers and images. Never a variable's value.

use serde_json::{Value, json};

use crate::container::state::{State, Status, time};
use crate::container::{Container, Kind};

/// Port of a sidecar, as the runtime knows it.
const INGRESS: &str = "39001/tcp";

/// One container, in full.
pub fn inspect(container: &Container) -> Value {
    let state = container.state();
    json!({
        "Id": container.id,
        "Name": format!("/{}", container.name),
        "Created": time(Some(container.created_at)),
        "Path": command(container).first(),
        "Args": command(container).iter().skip(1).collect::<Vec<_>>(),
        "Image": image_id(&container.image),
        "State": {
            "Status": state.status.name(),
            "Running": state.status == Status::Running,
            "Paused": false,
            "Restarting": false,
            "OOMKilled": state.memory_killed,
            "Dead": false,
            "Pid": state.pid,
            "ExitCode": state.exit_code,
            "Error": "",
            "StartedAt": time(state.started_at),
            "FinishedAt": time(state.finished_at),
        },
        "Config": {"Image": container.image, "Labels": container.labels, "Cmd": command(container)},
        "HostConfig": {"NetworkMode": container.network_mode},
        "NetworkSettings": {"Ports": ports(&state)},
    })
}

fn ports(state: &State) -> Value {
    match state.port {
        Some(port) => json!({INGRESS: [{"HostIp": "127.0.0.1", "HostPort": port.to_string()}]}),
        None => json!({}),
    }
}

fn command(container: &Container) -> &[String] {
    match &container.kind {
        Kind::App(app) => &app.command,
        Kind::Sidecar(_) => &[],
    }
}

/// One container, in a list.
pub fn summary(container: &Container) -> Value {
    let state = container.state();
    let words = match state.status {
        Status::Created => "Created".to_owned(),
        Status::Running => "Up".to_owned(),
        Status::Exited => format!("Exited ({})", state.exit_code),
    };
    json!({
        "Id": container.id,
        "Names": [format!("/{}", container.name)],
        "Image": container.image,
        "ImageID": image_id(&container.image),
        "Command": command(container).join(" "),
        "Created": container.created_at.timestamp(),
        "State": state.status.name(),
        "Status": words,
        "Labels": container.labels,
        "Ports": state.port.map(|port| json!({"IP": "127.0.0.1", "PrivatePort": 39_001, "PublicPort": port, "Type": "tcp"}))
            .into_iter().collect::<Vec<_>>(),
        "HostConfig": {"NetworkMode": container.network_mode},
        "Mounts": [],
    })
}

/// One container, as this engine's own tests and tools want it.
pub fn molt(container: &Container) -> Value {
    let state = container.state();
    let limits = match &container.kind {
        Kind::App(app) => Some(app.limits),
        Kind::Sidecar(_) => None,
    };
    json!({
        "name": container.name,
        "id": container.id,
        "image": container.image,
        "kind": container.kind_name(),
        "status": state.status.name(),
        "pid": (state.pid != 0).then_some(state.pid),
        "exitCode": (state.status == Status::Exited).then_some(state.exit_code),
        "cgroup": state.cgroup,
        "limits": limits,
        "network": container.network_mode.strip_prefix("container:"),
        "labels": container.labels,
        "createdAt": time(Some(container.created_at)),
        "startedAt": state.started_at.map(|at| time(Some(at))),
    })
}

/// An id that is always the same for one reference.
pub fn image_id(reference: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest: String = Sha256::digest(reference.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{digest}")
}

/// An image, in full. Its content is the host's, so it has neither layers nor a size of its own.
pub fn image(reference: &str) -> Value {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    json!({
        "Id": image_id(reference),
        "RepoTags": [reference],
        "RepoDigests": [],
        "Parent": "",
        "Size": 0,
        "Os": "linux",
        "Architecture": architecture,
        "Config": {"ExposedPorts": {"8080/tcp": {}}},
        "RootFS": {"Type": "layers", "Layers": []},
    })
}
