//! Every table and column that exists anywhere is exported, or left out for a reason: nobody adds one and forgets that it would be lost.

use crate::launch::root;
use molt_common::recovery::tables::{LEFT_OUT, Place, TABLES};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where the statements are that make the tables of a place; what all objects share is in `crates/platform`.
const SOURCES: [(Place, &[&str]); 3] = [
    (
        Place::ControlPlane,
        &[
            "workers/admin/src/control_plane",
            "crates/platform/src/audit_log.rs",
            "crates/platform/src/recovery/mod.rs",
        ],
    ),
    (
        Place::Sandbox,
        &[
            "workers/container-gateway/src",
            "crates/lifecycle/src",
            "crates/platform/src/audit_log.rs",
            "crates/platform/src/recovery/mod.rs",
            "crates/platform/src/job_index",
        ],
    ),
    (
        Place::Exec,
        &[
            "workers/admin/src/exec_store",
            "crates/platform/src/audit_log.rs",
            "crates/platform/src/recovery/mod.rs",
            "crates/platform/src/job_index",
        ],
    ),
];
/// Objects of one job or one address each, which end with it: no place of the export.
const OTHER_OBJECTS: [&str; 3] = ["rate_limiter", "user_removal", "bulk_job"];

/// Every statement that makes a table or a column in a file or below a folder.
fn statements(path: &Path) -> Vec<String> {
    if path.is_dir() {
        let entries = fs::read_dir(path)
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path());
        let mut entries: Vec<_> = entries.collect();
        entries.sort();
        return entries.iter().flat_map(|entry| statements(entry)).collect();
    }
    if path.extension().is_none_or(|end| end != "rs") {
        return vec![];
    }
    let text = fs::read_to_string(path).expect("a source");
    let mut found = vec![];
    for part in text.split("CREATE TABLE ").skip(1) {
        found.push(format!("CREATE TABLE {}", balanced(part)));
    }
    for part in text.split("ALTER TABLE ").skip(1) {
        let end = part.find([';', '"']).unwrap_or(part.len());
        found.push(format!("ALTER TABLE {}", &part[..end]));
    }
    found
}

/// Up to the parenthesis that closes the first one.
fn balanced(text: &str) -> &str {
    let mut depth = 0_i32;
    for (at, letter) in text.char_indices() {
        depth += match letter {
            '(' => 1,
            ')' => -1,
            _ => 0,
        };
        if letter == ')' && depth == 0 {
            return &text[..=at];
        }
    }
    text
}

fn database(place: Place) -> Connection {
    let connection = Connection::open_in_memory().expect("a database");
    let sources = SOURCES.iter().find(|(of, _)| *of == place);
    match sources {
        Some((_, sources)) => {
            for statement in sources.iter().flat_map(|source| statements(&root().join(source))) {
                connection
                    .execute_batch(&statement)
                    .unwrap_or_else(|error| panic!("{error}: {statement}"));
            }
        }
        None => {
            let mut files: Vec<_> = fs::read_dir(root().join("wrangler/migrations"))
                .expect("migrations")
                .map(|entry| entry.expect("an entry").path())
                .collect();
            files.sort();
            for file in files {
                let text = fs::read_to_string(&file).expect("a migration");
                connection
                    .execute_batch(&text)
                    .unwrap_or_else(|error| panic!("{error}: {}", file.display()));
            }
        }
    }
    connection
}

fn names(connection: &Connection, query: &str) -> BTreeSet<String> {
    let mut statement = connection.prepare(query).expect("a query");
    let rows = statement.query_map([], |row| row.get(0)).expect("rows");
    rows.map(|row| row.expect("a name")).collect()
}

#[test]
fn every_table_and_column_is_exported_or_left_out_for_a_reason() {
    for place in Place::ALL {
        let connection = database(place);
        let there = names(
            &connection,
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB 'sqlite_*'",
        );
        let exported: BTreeSet<String> = TABLES
            .iter()
            .filter(|table| table.place == place)
            .map(|table| table.name.to_owned())
            .collect();
        let left_out: BTreeSet<String> = LEFT_OUT
            .iter()
            .filter(|(of, _, _)| *of == place)
            .map(|(_, name, _)| (*name).to_owned())
            .collect();
        let listed: BTreeSet<String> = exported.union(&left_out).cloned().collect();
        let forgotten: Vec<_> = there.difference(&listed).collect();
        assert!(
            forgotten.is_empty(),
            "{place} has tables in neither list of molt_common::recovery::tables: {forgotten:?}"
        );
        let gone: Vec<_> = listed.difference(&there).collect();
        assert!(gone.is_empty(), "{place} has no such tables any more: {gone:?}");
        for table in TABLES.iter().filter(|table| table.place == place) {
            let columns = names(
                &connection,
                &format!("SELECT name FROM pragma_table_info('{}')", table.name),
            );
            let exported = table.columns.iter().map(|column| column.name);
            let listed: BTreeSet<String> = exported
                .chain(table.left_columns.iter().map(|(name, _)| *name))
                .map(str::to_owned)
                .collect();
            assert_eq!(columns, listed, "columns of {place}.{}", table.name);
        }
    }
}

#[test]
fn no_object_that_keeps_something_is_forgotten() {
    let known: Vec<&str> = SOURCES
        .iter()
        .flat_map(|(_, sources)| sources.iter().copied())
        .collect();
    let mut files = vec![];
    below(&root().join("workers"), &mut files);
    below(&root().join("crates"), &mut files);
    for file in files {
        let name = file
            .strip_prefix(root())
            .expect("in the clone")
            .to_string_lossy()
            .into_owned();
        let makes = fs::read_to_string(&file).is_ok_and(|text| text.contains("CREATE TABLE"));
        // Databases of users and of tests, not of the platform.
        let of_users = ["crates/snapshots", "crates/sandboxd", "crates/dev-stack"]
            .iter()
            .any(|part| name.starts_with(part));
        let other = of_users
            || OTHER_OBJECTS
                .iter()
                .any(|object| name.starts_with(&format!("workers/admin/src/{object}")));
        assert!(
            !makes || other || known.iter().any(|source| name.starts_with(source)),
            "{name} makes tables of an object that no export knows"
        );
    }
}

fn below(folder: &Path, files: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("build") && !path.ends_with("node_modules") {
            below(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}
