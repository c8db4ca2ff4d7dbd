//! Commands in sandboxes: their truth, their output, and that nothing of them is left. One stack, with a user of its own where it matters.

mod bulk;
mod cli;
mod events;
mod jobs;
mod listing;
mod once;
mod output;
mod removed;
mod resume;
mod sync;
mod terminal;
mod tree;
mod truth;

use e2e_tests::harness::Group;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("exec", &[]);
    let modules = [
        bulk::trials(&group),
        cli::trials(&group),
        events::trials(&group),
        jobs::trials(&group),
        listing::trials(&group),
        once::trials(&group),
        output::trials(&group),
        removed::trials(&group),
        resume::trials(&group),
        sync::trials(&group),
        terminal::trials(&group),
        tree::trials(&group),
        truth::trials(&group),
    ];
    group.run(4, modules.into_iter().flatten().collect())
}
