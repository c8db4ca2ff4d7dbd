//! What breaks connections at the edge and leaves the containers alone.

use crate::launch::Launch;
use crate::processes;
use crate::stack::Stack;
use nix::sys::signal::Signal;

impl Stack {
    /// Has the runtime replace a worker by a new version, as a deployment does: one with another variable. Objects of that worker start anew.
    ///
    /// # Panics
    /// When its configuration is not found.
    pub fn replace_worker(&self, worker: &str) {
        let path = self.ready.state_dir.join("wrangler").join(worker).join("wrangler.json");
        let text = std::fs::read_to_string(&path).expect("the worker's configuration");
        let mut config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        config["vars"]["REPLACED_BY_TEST"] = uuid::Uuid::new_v4().to_string().into();
        // In one step: half a configuration would end the development server.
        let new = path.with_extension("new");
        std::fs::write(&new, config.to_string()).expect("a new configuration");
        std::fs::rename(&new, &path).expect("a new configuration");
    }

    /// Kills the runtime that runs the workers and their objects; the development server starts another. The process that holds the port stays.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill_runtime(&self) {
        let holds_port = format!("--socket-addr=entry={}", self.authority());
        let runtimes: Vec<i32> = processes::tree(self.ready.process("workers"))
            .into_iter()
            .filter(|process| process.command.contains("workerd serve") && !process.command.contains(&holds_port))
            .map(|process| process.pid)
            .collect();
        assert!(!runtimes.is_empty(), "there is a runtime");
        for pid in runtimes {
            Launch::signal(pid, Signal::SIGKILL);
        }
    }
}
