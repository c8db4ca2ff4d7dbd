//! Calls `scripts/deploy`, which knows how the workers are deployed.

use super::args::Which;
use super::outcome::Ending;
use super::report::Report;
use serde_json::json;
use std::path::PathBuf;
use std::process::Command;

/// Deploys with these further arguments; a dry run says it alone. What it prints goes to standard error, beside what this run tells.
///
/// # Errors
/// When there is no such script, or it did not end with 0.
pub fn run(which: &Which, report: &Report, further: &[&str]) -> Result<(), Ending> {
    let refused = |why: String| Err(Ending::Refused(why));
    let Some(script) = which.tools.root.as_ref().map(|root| root.join("scripts/deploy")) else {
        return refused(
            "the clone was not found: run this by its script in scripts/, or set MOLT_ROOT; --skip-deploy does without"
                .into(),
        );
    };
    let arguments: Vec<PathBuf> = which
        .environment
        .iter()
        .flat_map(|file| ["--environment".into(), file.clone()])
        .chain(further.iter().map(PathBuf::from))
        .collect();
    let words: Vec<String> = arguments.iter().map(|word| word.display().to_string()).collect();
    let line = format!("scripts/deploy {}", words.join(" ")).trim_end().to_owned();
    if which.dry_run {
        report.tell("would", &format!("would run {line}"), json!({"run": line}));
        return Ok(());
    }
    report.tell("deploying", &format!("runs {line}"), json!({"run": line}));
    let status = Command::new(&script)
        .args(&arguments)
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
