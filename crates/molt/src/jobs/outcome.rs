//! What came of a change that has to do with snapshots, as people read it.

use crate::client::ClientError;
use crate::show;
use bytesize::ByteSize;
use molt_common::api::jobs::JobView;
use molt_common::control::snapshot::{Difference, DifferenceKind};
use molt_common::sandbox_change::ChangeOutcome;
use molt_common::snapshot::Verification;

/// Prints it below the job, if there is anything.
///
/// # Errors
/// [`ClientError::Output`].
pub fn print(job: &JobView) -> Result<(), ClientError> {
    let Some(change) = &job.change else { return Ok(()) };
    let Some(outcome) = &change.outcome else { return Ok(()) };
    for text in lines(&change.change, outcome) {
        show::line(&text)?;
    }
    Ok(())
}

fn lines(change: &str, outcome: &ChangeOutcome) -> Vec<String> {
    let mut lines = vec![String::new()];
    if let Some(snapshot) = outcome.snapshot {
        lines.push(format!("snapshot {snapshot}"));
    }
    match change {
        "save" => lines.push(format!("{} added to the repository", size(outcome.added_bytes))),
        "prune" => lines.push(format!("{} removed", size(outcome.removed_bytes))),
        "restore-path" => lines.push(format!("{} paths restored", outcome.restored_paths)),
        "compare" => {
            lines.extend(outcome.differences.iter().map(difference));
            let more = outcome
                .difference_count
                .saturating_sub(outcome.differences.len() as u64);
            if more > 0 {
                lines.push(format!("… and {more} more"));
            }
            lines.push(format!("{} paths differ", outcome.difference_count));
        }
        _ => {}
    }
    if let Some(found) = &outcome.verification {
        lines.extend(verification(found));
    }
    lines
}

/// What a restore would do to the path: `+` is added, `~` replaced, `-` removed.
fn difference(path: &Difference) -> String {
    let sign = match path.kind {
        DifferenceKind::Added => '+',
        DifferenceKind::Changed => '~',
        DifferenceKind::Removed => '-',
    };
    format!("{sign} {}", plain(&path.path))
}

fn verification(found: &Verification) -> Vec<String> {
    let how = if found.full { "everything" } else { "a sample" };
    let result = if found.ok { "as it should be" } else { "FAULTY" };
    let mut lines = vec![format!(
        "{how} was read ({}, {} files compared): {result}",
        size(found.read_bytes),
        found.compared_files
    )];
    lines.extend(found.faults.iter().map(|fault| format!("fault: {}", plain(fault))));
    lines
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

/// What others wrote must not steer the operator's terminal.
fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::lines;
    use molt_common::sandbox_change::ChangeOutcome;
    use serde_json::{Value, json};

    fn told(change: &str, outcome: Value) -> Vec<String> {
        let mut whole = json!({"snapshot": null, "addedBytes": 0, "verification": null, "removedBytes": 0, "differences": [], "differenceCount": 0,
            "restoredPaths": 0});
        for (name, value) in outcome.as_object().unwrap() {
            whole[name] = value.clone();
        }
        let outcome: ChangeOutcome = serde_json::from_value(whole).unwrap();
        lines(change, &outcome)
    }

    #[test]
    fn what_would_change_is_told_path_by_path() {
        let differences = json!([{"path": "a", "kind": "added"}, {"path": "b\u{1b}c", "kind": "removed"}]);
        let told = told("compare", json!({"differences": differences, "differenceCount": 5}));
        assert_eq!(told, ["", "+ a", "- b\u{fffd}c", "… and 3 more", "5 paths differ"]);
    }

    #[test]
    fn a_fault_is_told_with_what_it_is() {
        let found = json!({"at": 1, "full": false, "ok": false, "faults": ["pack x is gone"], "readBytes": 1024, "comparedFiles": 3});
        let told = told("verify", json!({"verification": found}));
        assert_eq!(told[1], "a sample was read (1.0 KiB, 3 files compared): FAULTY");
        assert_eq!(told[2], "fault: pack x is gone");
    }
}
