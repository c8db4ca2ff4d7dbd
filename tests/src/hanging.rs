//! A program of the stack that is there and does nothing.

use crate::launch::Launch;
use crate::processes::{self, Process};
use crate::stack::Stack;
use nix::sys::signal::Signal;

/// Stands still until it is dropped.
pub struct Hanging(Vec<Process>);

impl Hanging {
    /// Has a worker of a `--split` stack stand still, such as `admin`: it takes connections and answers nothing.
    #[must_use]
    pub fn begin(stack: &Stack, name: &str) -> Self {
        let tree = processes::tree(stack.ready.process(name));
        for process in &tree {
            Launch::signal(process.pid, Signal::SIGSTOP);
        }
        Self(tree)
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        for process in &self.0 {
            Launch::signal(process.pid, Signal::SIGCONT);
        }
    }
}
