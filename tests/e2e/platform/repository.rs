//! No secret lies in the repository.

use e2e_tests::launch::root;
use e2e_tests::stack::Stack;
use molt_common::redaction::text;
use std::process::Command;
use std::sync::Arc;

/// What looks like a credential here is made up, or is the redaction's own subject.
const EXAMPLES: [&str; 8] = [
    "crates/common/src/redaction/",
    "crates/common/src/audit_tests.rs",
    "crates/platform/src/log.rs",
    "crates/dev-stack/src/process/log.rs",
    "fuzz/",
    "tests/",
    "Cargo.lock",
    "package-lock.json",
];
/// Words that mark a line with a shape worth looking at: the redaction also masks by name, which source code is full of.
const SHAPES: [&str; 9] = [
    "eyJ",
    "sk-",
    "ghp_",
    "github_pat_",
    "xoxb-",
    "AKIA",
    "AIza",
    "-----BEGIN",
    "molt_0",
];

pub async fn no_file_holds_a_secret(stack: Arc<Stack>) {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git");
    assert!(listed.status.success());
    let files = String::from_utf8(listed.stdout).expect("names are text");
    let files: Vec<&str> = files.split('\0').filter(|file| !file.is_empty()).collect();
    assert!(files.len() > 100, "only {} files", files.len());
    let secrets = stack.secrets.all();
    let mut found = Vec::new();
    for file in files {
        // A file that is deleted and not yet committed, or no text.
        let Ok(content) = std::fs::read_to_string(root().join(file)) else {
            continue;
        };
        let lies_about = |line: &&str| SHAPES.iter().any(|shape| line.contains(shape)) && text(line) != **line;
        let suspicious = !EXAMPLES
            .iter()
            .any(|example| file.starts_with(example) || file.ends_with(example));
        found.extend(
            content
                .lines()
                .filter(lies_about)
                .filter(|_| suspicious)
                .map(|line| format!("{file}: {line}")),
        );
        let own = secrets.iter().any(|secret| content.contains(secret.as_str()));
        assert!(!own, "{file} holds a secret of the stack");
    }
    assert!(found.is_empty(), "{found:#?}");
}
