//! Snapshots as people read them.

use crate::client::ClientError;
use crate::show;
use bytesize::ByteSize;
use molt_common::api::backups::{Backup, BackupList};
use molt_common::snapshot::Standing;
use serde_json::{Value, json};

/// Digits of an id that a table shows: those that restic shows.
const SHORT: usize = 8;

/// The list and how it stands.
///
/// # Errors
/// [`ClientError::Output`].
pub fn list(list: &BackupList) -> Result<(), ClientError> {
    let rows: Vec<Value> = list.backups.iter().map(row).collect();
    let columns = [
        "id", "number", "taken", "why", "files", "size", "added", "verified", "notes",
    ];
    show::line(&show::table(&columns, &rows))?;
    let summary = &list.summary;
    show::line("")?;
    show::line(&format!(
        "{} published, {} kept apart, {} stored; saved until {}",
        summary.published,
        summary.quarantined,
        size(summary.stored_bytes),
        summary.safe_until.as_deref().unwrap_or("-")
    ))?;
    if let Some(error) = &summary.last_error {
        let at = summary.last_error_at.as_deref().unwrap_or("-");
        show::line(&format!("the newest attempt failed at {at}: {}", plain(error)))?;
    }
    for alert in &summary.alerts {
        show::line(&format!("look at: {}", plain(alert)))?;
    }
    Ok(())
}

/// One, line by line.
///
/// # Errors
/// [`ClientError::Output`].
pub fn one(backup: &Backup) -> Result<(), ClientError> {
    for (name, value) in [
        ("id", backup.id.to_string()),
        (
            "number",
            format!("{} of generation {}", backup.sequence, backup.generation),
        ),
        ("standing", standing(backup)),
        ("taken", backup.taken_at.clone()),
        ("published", backup.published_at.clone()),
        ("why", word(&json!(backup.reason))),
        ("parent", backup.parent.map_or_else(|| "-".into(), |id| id.to_string())),
        ("files", format!("{} ({})", backup.files, size(backup.bytes))),
        ("added", size(backup.added_bytes)),
        ("databases", backup.databases.to_string()),
        ("unreadable", backup.unreadable_count.to_string()),
        ("verified", verified(backup)),
        ("pinned", if backup.pinned { "yes" } else { "no" }.into()),
    ] {
        show::line(&format!("{name:<11}{value}"))?;
    }
    for fault in backup.verification.iter().flat_map(|found| &found.faults) {
        show::line(&format!("fault      {}", plain(fault)))?;
    }
    Ok(())
}

fn row(backup: &Backup) -> Value {
    let mut notes = Vec::new();
    if backup.newest {
        notes.push("newest");
    }
    if backup.pinned {
        notes.push("pinned");
    }
    if backup.standing == Standing::Quarantined {
        notes.push("kept apart");
    }
    if backup.unreadable_count > 0 {
        notes.push("not everything could be read");
    }
    let id = backup.id.to_string();
    json!({
        "id": id.get(..SHORT), "number": backup.sequence, "taken": backup.taken_at, "why": backup.reason, "files": backup.files,
        "size": size(backup.bytes), "added": size(backup.added_bytes), "verified": verified(backup), "notes": notes.join(", "),
    })
}

fn standing(backup: &Backup) -> String {
    match (backup.standing, &backup.why) {
        (Standing::Published, _) if backup.newest => "published, the newest".into(),
        (Standing::Published, _) => "published".into(),
        (Standing::Quarantined, why) => format!("kept apart: {}", plain(why.as_deref().unwrap_or("-"))),
    }
}

fn verified(backup: &Backup) -> String {
    match &backup.verification {
        None => "-".into(),
        Some(found) if !found.ok => "FAULTY".into(),
        Some(found) if found.full => "full".into(),
        Some(_) => "sample".into(),
    }
}

/// Bytes as people read them.
pub fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

fn word(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What others wrote must not steer the operator's terminal.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::row;
    use molt_common::api::backups::Backup;
    use serde_json::json;

    #[test]
    fn a_row_says_what_is_special() {
        let backup: Backup = serde_json::from_value(json!({
            "id": "ab".repeat(32), "sequence": 3, "generation": 2, "standing": "quarantined", "newest": false, "why": "much smaller",
            "reason": "interval", "takenAt": "2026-01-01T00:00:00.000Z", "publishedAt": "2026-01-01T00:00:01.000Z", "parent": null,
            "files": 2, "bytes": 1_572_864, "addedBytes": 0, "databases": 0, "unreadableCount": 1,
            "verification": {"at": 1, "full": true, "ok": false, "faults": ["x"], "readBytes": 1, "comparedFiles": 0}, "pinned": true,
        }))
        .unwrap();
        let row = row(&backup);
        assert_eq!(row["id"], "abababab");
        assert_eq!((&row["size"], &row["verified"]), (&json!("1.5 MiB"), &json!("FAULTY")));
        assert_eq!(row["notes"], "pinned, kept apart, not everything could be read");
    }
}
