//! `molt migrate`: moves a deployment from what ran before to the new workers, step by step, and back at once.
//!
//! `plan` and `error_rate` decide, the rest performs. Every change of a flag names the version that it was decided on, so nothing that
//! somebody else set meanwhile is written over; only a rollback goes through whatever was there.

mod args;
mod deploy;
mod deployment;
mod error_rate;
mod flags_api;
mod forward;
mod interrupt;
mod kill;
mod kv_override;
mod old_path;
mod outcome;
mod plan;
mod probe;
mod prober;
mod report;
mod retire;
mod rollback;
mod run;
mod site;
mod state_file;
mod status;
mod step;
mod undo;
mod users;
mod wire;

pub use args::Action;

use molt_common::flag::Flag;
use report::Report;
use serde_json::json;
use std::process::ExitCode;

/// Does it, and tells how it ended: 0 done, 1 stopped and undone, 2 not begun, 3 somebody has to look, 130 interrupted.
#[must_use]
pub fn run(action: &Action, url: &str, json: bool) -> ExitCode {
    let report = Report::new(json);
    let outcome = match action {
        Action::AdminApi(options) => forward::forward(options, &[Flag::NewAdminApi], url, &report),
        Action::ContainerGateway(options) => forward::forward(options, &[Flag::NewContainerGateway], url, &report),
        Action::All(options) => forward::forward(options, &Flag::ALL, url, &report),
        Action::Rollback(options) => rollback::rollback(options, url, &report),
        Action::Status(options) => status::status(options, url, &report),
        Action::Retire(options) => retire::retire(options, url, &report),
    };
    let Err(ending) = outcome else {
        return ExitCode::SUCCESS;
    };
    if json {
        report.tell(
            "ended",
            "",
            json!({"outcome": ending.word(), "why": ending.why(), "exitCode": ending.code()}),
        );
    }
    eprintln!("molt: {}: {}", ending.word(), ending.why());
    ExitCode::from(ending.code())
}
