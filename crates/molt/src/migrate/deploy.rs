//! Calls `scripts/deploy`, which knows how the workers are deployed.

use super::args::Which;
use super::outcome::Ending;
use super::report::Report;
use serde_json::json;
use std::process::Command;

/// Deploys; a dry run says it alone. What it prints goes to standard error, beside what this run tells.
///
/// # Errors
/// When there is no such script, or it did not end with 0.
pub fn run(which: &Which, report: &Report) -> Result<(), Ending> {
    let refused = |why: String| Err(Ending::Refused(why));
    let Some(script) = which.tools.root.as_ref().map(|root| root.join("scripts/deploy")) else {
        return refused(
            "the clone was not found: run this by its script in scripts/, or set MOLT_ROOT; --skip-deploy does without"
                .into(),
        );
    };
    let Some(file) = &which.env else {
        return refused(
            "name the file that describes the deployment: --env FILE; --skip-deploy takes the workers as they are"
                .into(),
        );
    };
    let line = format!("scripts/deploy --env {}", file.display());
    if which.dry_run {
        report.tell("would", &format!("would run {line}"), json!({"run": line}));
        return Ok(());
    }
    report.tell("deploying", &format!("runs {line}"), json!({"run": line}));
    let status = Command::new(&script)
        .arg("--env")
        .arg(file)
        .stdout(std::io::stderr())
        // Neither is for the deployment.
        .env_remove("MOLT_PROBE_TOKEN")
        .status();
    match status {
        Ok(status) if status.success() => {
            report.tell("deployed", "deployed", json!({}));
            Ok(())
        }
        Ok(status) => refused(format!("{line} ended with {status}; no flag was touched")),
        Err(error) => refused(format!("{}: {error}", script.display())),
    }
}
