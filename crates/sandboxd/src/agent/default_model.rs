//! Which model in the agent's document is the platform's default and not the user's choice.
//!
//! The document says one model either way. What the platform put there is noted beside it, in the home, so that the note is saved and restored with the
//! document that it is about. Whoever writes there can only turn a default into a choice, or the other way round.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use molt_common::agent_config::layers;
use molt_common::agent_config::providers::is_model;
use serde_json::Value;

/// Name of the note in the agent's state folder: a model per line. Two while the document is being changed from one to the other, of which one stands
/// there whenever that is cut short.
pub const FILE: &str = ".molt-default-model";
/// More than two of the longest.
const MAX_BYTES: u64 = 1024;

/// The models that the platform has put there. Whatever is no note says that there is none.
pub fn read(folder: &Path) -> Vec<String> {
    let mut text = String::new();
    let read = fs::File::open(folder.join(FILE)).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text));
    match read {
        Ok(_) => text.lines().filter(|line| is_model(line)).map(str::to_owned).collect(),
        Err(_) => Vec::new(),
    }
}

/// Notes them; no note where there are none.
pub fn write(folder: &Path, models: &[&str]) -> io::Result<()> {
    let path = folder.join(FILE);
    if models.is_empty() {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let partial = folder.join(format!("{FILE}.{}", std::process::id()));
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)?;
    file.write_all(models.join("\n").as_bytes())?;
    fs::rename(partial, path)
}

/// The one of `noted` that the document has, if it has one.
pub fn placed<'a>(noted: &'a [String], disk: &Value) -> Option<&'a str> {
    let stands = |model: &&String| layers::without_default(disk, Some(model)) != *disk;
    noted.iter().find(stands).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_noted_is_read_and_anything_else_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_empty());
        write(folder.path(), &["a/one", "b/two"]).unwrap();
        assert_eq!(read(folder.path()), ["a/one", "b/two"]);
        write(folder.path(), &[]).unwrap();
        write(folder.path(), &[]).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        fs::write(folder.path().join(FILE), b"\xff\xfe").unwrap();
        assert!(read(folder.path()).is_empty());
        fs::write(folder.path().join(FILE), "no model\n\na/one\n").unwrap();
        assert_eq!(read(folder.path()), ["a/one"]);
    }

    #[test]
    fn it_is_placed_while_it_stands_there() {
        let noted = ["a/one".to_owned(), "b/two".to_owned()];
        let has = |model: &str| json!({"agents": {"defaults": {"model": {"primary": model}}}});
        assert_eq!(placed(&noted, &has("a/one")), Some("a/one"));
        assert_eq!(placed(&noted, &has("b/two")), Some("b/two"));
        assert_eq!(placed(&noted, &has("c/three")), None);
        assert_eq!(placed(&noted, &json!({})), None);
        assert_eq!(placed(&[], &has("a/one")), None);
    }
}
