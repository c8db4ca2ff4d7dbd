//! What breaks connections at the edge and leaves the containers alone.

use crate::launch::Launch;
use crate::processes;
use crate::stack::Stack;
use nix::sys::signal::Signal;
use std::fs::File;
use std::time::SystemTime;

impl Stack {
    /// Has the runtime replace a worker, as a deployment does: the development server sees a new build. Objects of that worker start anew.
    ///
    /// # Panics
    /// When its build is not found.
    pub fn replace_worker(&self, worker: &str) {
        let config = self.ready.state_dir.join("wrangler").join(worker).join("wrangler.json");
        let text = std::fs::read_to_string(config).expect("the worker's configuration");
        let config: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        let built = config["main"].as_str().expect("a build");
        let file = File::options().append(true).open(built).expect("a build");
        file.set_modified(SystemTime::now()).expect("a new time");
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
