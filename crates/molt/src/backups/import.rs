//! What the system before this one kept of a user.

use super::args::Import;
use super::{path, read};
use crate::client::{Client, ClientError};
use crate::exec::user;
use crate::show;
use molt_common::api::legacy::{ImportRequest, LegacyImport};
use molt_common::legacy_call::ImportState;

/// Shows it, after what was decided about it.
///
/// # Errors
/// See [`ClientError`].
pub fn run(client: &Client, asked: &Import, json: bool) -> Result<(), ClientError> {
    let path = path(user(client, &asked.user)?, "/import");
    let decides = asked.discard || asked.accept_damaged || asked.source.is_some();
    let answer = if decides {
        let body = ImportRequest {
            source: asked.source.clone(),
            accept_damaged: asked.accept_damaged,
            discard: asked.discard,
        };
        client.post(&path, &body)?
    } else {
        client.get(&path, true)?
    };
    if json {
        return show::line(&answer.to_string());
    }
    for line in lines(&read::<LegacyImport>(&path, answer)?) {
        show::line(&line)?;
    }
    Ok(())
}

fn lines(told: &LegacyImport) -> Vec<String> {
    let state = match told.state {
        ImportState::Nothing => "nothing to import",
        ImportState::Due => "due: the next start imports",
        ImportState::Undecided => "undecided: the next start fails until somebody has chosen",
        ImportState::Imported => "imported",
        ImportState::Discarded => "set aside",
        ImportState::Saved => "settled",
    };
    let mut lines = vec![format!("{state}; {}", told.why)];
    for object in &told.archives {
        let mark = if told.takes.contains(&object.name) { "*" } else { " " };
        lines.push(format!(
            "{mark} {}  {} bytes  {}",
            object.uploaded_at, object.size, object.name
        ));
    }
    if told.files > 0 {
        let mark = if told.takes.iter().any(|key| key == "files") {
            "*"
        } else {
            " "
        };
        lines.push(format!("{mark} files: {} of {} bytes", told.files, told.file_bytes));
    }
    if !told.secret_names.is_empty() {
        lines.push(format!("secrets to be set anew: {}", told.secret_names.join(", ")));
    }
    if let Some(report) = &told.report {
        lines.push(format!(
            "imported at {} from {}: {} files of {} bytes, {} databases, {} refused, {} left out",
            told.imported_at.as_deref().unwrap_or("?"),
            report.source,
            report.files,
            report.bytes,
            report.databases,
            report.refused_count,
            report.left_out
        ));
        let groups = [
            ("refused", &report.refused),
            ("damaged", &report.damaged),
            ("passed over", &report.passed_over),
        ];
        for (word, named) in groups {
            lines.extend(named.iter().map(|name| format!("  {word}: {name}")));
        }
    }
    if let Some(at) = &told.exported_at {
        lines.push(format!("written for the old system at {at}"));
    }
    lines
}
