//! Several operations, one after the other.

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use molt_common::control::files::{
    Batch, BatchOutcome, FileAction, FileOperation, FileOutcome, LONGEST_READ, MOST_OPERATIONS, MOST_READ, parse_mode,
};
use molt_common::home_path::HomePath;

use super::error::FileError;
use super::home::{self, Home};
use super::{list, remove, write};

/// Refuses a batch that cannot be begun.
pub fn check(batch: &Batch) -> Result<(), FileError> {
    if (1..=MOST_OPERATIONS).contains(&batch.operations.len()) {
        Ok(())
    } else {
        Err(FileError::Invalid(format!(
            "operations: must be 1 to {MOST_OPERATIONS}"
        )))
    }
}

/// Does them.
pub fn run(home: &Home, batch: &Batch) -> BatchOutcome {
    let mut left = MOST_READ;
    let results: Vec<FileOutcome> = batch
        .operations
        .iter()
        .map(|operation| {
            let outcome = perform(home, operation, &mut left).unwrap_or_else(|error| FileOutcome {
                code: Some(error.status_and_code().1.to_owned()),
                error: Some(error.to_string()),
                ..FileOutcome::default()
            });
            FileOutcome {
                path: operation.path.clone(),
                success: outcome.code.is_none(),
                ..outcome
            }
        })
        .collect();
    let count = |done: bool| u32::try_from(results.iter().filter(|result| result.success == done).count()).unwrap_or(0);
    let (succeeded, failed) = (count(true), count(false));
    BatchOutcome {
        completed: succeeded + failed,
        succeeded,
        failed,
        results,
    }
}

fn perform(home: &Home, operation: &FileOperation, left: &mut u64) -> Result<FileOutcome, FileError> {
    let invalid = |field: &str, why: &dyn std::fmt::Display| FileError::Invalid(format!("{field}: {why}"));
    let path = HomePath::parse(&operation.path).map_err(|error| invalid("path", &error))?;
    let writes = operation.op == FileAction::Write;
    if !writes && (operation.content.is_some() || operation.content_base64.is_some() || operation.mode.is_some()) {
        return Err(invalid("content", &"goes with write only"));
    }
    let mut outcome = FileOutcome::default();
    match operation.op {
        FileAction::Read => read(home, &path, left, &mut outcome)?,
        FileAction::Write => {
            let bytes = match (&operation.content, &operation.content_base64) {
                (Some(text), None) => text.as_bytes().to_vec(),
                (None, Some(text)) => STANDARD
                    .decode(text)
                    .map_err(|_| invalid("contentBase64", &"is not base64"))?,
                _ => return Err(invalid("content", &"or contentBase64 must be there, and not both")),
            };
            let mode = operation
                .mode
                .as_deref()
                .map(|text| parse_mode(text).ok_or_else(|| invalid("mode", &"must be octal, 000 to 777")));
            outcome.written = Some(write::write_whole(home, &path, mode.transpose()?, &bytes)?);
        }
        FileAction::Delete => remove::remove(home, &path, false)?,
        FileAction::Exists => {
            outcome.exists = Some(match list::stat(home, &path) {
                Ok(_) => true,
                Err(FileError::NotFound | FileError::NotAFolder) => false,
                Err(error) => return Err(error),
            });
        }
        FileAction::Stat => outcome.entry = Some(list::stat(home, &path)?),
    }
    Ok(outcome)
}

fn read(home: &Home, path: &HomePath, left: &mut u64, outcome: &mut FileOutcome) -> Result<(), FileError> {
    let (file, about) = home::read(&home.look(path)?)?;
    let most = LONGEST_READ.min(*left);
    // It may grow while it is read.
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(FileError::TooLarge(most));
    }
    *left -= bytes.len() as u64;
    let name = path.names().next_back().unwrap_or_default();
    outcome.entry = Some(list::entry(path.to_string(), name, &about, None));
    match String::from_utf8(bytes) {
        Ok(text) => outcome.content = Some(text),
        Err(error) => outcome.content_base64 = Some(STANDARD.encode(error.into_bytes())),
    }
    Ok(())
}
