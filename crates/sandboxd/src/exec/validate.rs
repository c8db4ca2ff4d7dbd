//! Whether a request for a command can be one.

use molt_common::api::exec::KILL_GRACE_MAX_MS;
use molt_common::control::{ExecLimits, ExecStart};

use crate::process::environment::RESERVED_PREFIX;

/// Longest time a command may take, in milliseconds: a day.
pub const MAX_TIMEOUT_MS: u64 = 24 * 60 * 60 * 1000;
/// Most bytes kept of a stream.
const MAX_OUTPUT_BYTES: u64 = 8 * 1024 * 1024;

/// What is wrong, beginning with the name of the field.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{field}: {problem}")]
pub struct InvalidField {
    field: &'static str,
    problem: String,
}

pub(super) fn invalid(field: &'static str, problem: impl Into<String>) -> InvalidField {
    InvalidField {
        field,
        problem: problem.into(),
    }
}

/// Whether `id` is `[A-Za-z0-9_-]{1,64}`. It becomes a file name, so nothing else may pass.
pub fn is_exec_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

/// The program and arguments of a request whose every field is sound.
pub fn program_of(request: &ExecStart) -> Result<(String, Vec<String>), InvalidField> {
    if !is_exec_id(&request.exec_id) {
        return Err(invalid("execId", "must be 1 to 64 letters, digits, '_' or '-'"));
    }
    for (name, value) in &request.env {
        check_variable(name, value)?;
    }
    if let Some(cwd) = &request.cwd {
        if !cwd.starts_with('/') {
            return Err(invalid("cwd", "must be an absolute path"));
        }
        without_nul("cwd", cwd)?;
    }
    if !(1..=MAX_TIMEOUT_MS).contains(&request.timeout_ms) {
        return Err(invalid("timeoutMs", format!("must be 1 to {MAX_TIMEOUT_MS}")));
    }
    if !(1..=KILL_GRACE_MAX_MS).contains(&request.kill_grace_ms) {
        return Err(invalid("killGraceMs", format!("must be 1 to {KILL_GRACE_MAX_MS}")));
    }
    match request.uid {
        Some(0) => return Err(invalid("uid", "must not be 0: root is the supervisor's alone")),
        // -1 means "unchanged" to the kernel.
        Some(u32::MAX) => return Err(invalid("uid", "is none")),
        _ => {}
    }
    check_limits(&request.limits)?;
    if request.max_output_bytes > MAX_OUTPUT_BYTES {
        return Err(invalid("maxOutputBytes", format!("must be at most {MAX_OUTPUT_BYTES}")));
    }
    match (&request.command, &request.argv) {
        (Some(_), Some(_)) => Err(invalid("argv", "cannot stand together with command")),
        (None, None) => Err(invalid("command", "one of command and argv is needed")),
        (Some(command), None) => {
            without_nul("command", command)?;
            if command.trim().is_empty() {
                return Err(invalid("command", "is empty"));
            }
            Ok(("/bin/sh".to_owned(), vec!["-c".to_owned(), command.clone()]))
        }
        (None, Some(argv)) => {
            for argument in argv {
                without_nul("argv", argument)?;
            }
            match argv.split_first() {
                Some((program, arguments)) if !program.is_empty() => Ok((program.clone(), arguments.to_vec())),
                _ => Err(invalid("argv", "has no program")),
            }
        }
    }
}

/// Zero of these would not even start a program; what is enough for one is its own business.
fn check_limits(limits: &ExecLimits) -> Result<(), InvalidField> {
    for (field, value) in [
        ("limits.memoryBytes", limits.memory_bytes),
        ("limits.cpuSeconds", limits.cpu_seconds),
        ("limits.openFiles", limits.open_files),
        ("limits.processes", limits.processes),
    ] {
        if value == Some(0) {
            return Err(invalid(field, "must be at least 1"));
        }
    }
    Ok(())
}

fn check_variable(name: &str, value: &str) -> Result<(), InvalidField> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(invalid("env", format!("{name:?} is not a name of a variable")));
    }
    if name.to_ascii_uppercase().starts_with(RESERVED_PREFIX) {
        return Err(invalid("env", format!("{name:?} is reserved")));
    }
    // The value may be a secret, so only the name is told.
    if value.contains('\0') {
        return Err(invalid(
            "env",
            format!("the value of {name:?} contains a NUL character"),
        ));
    }
    Ok(())
}

fn without_nul(field: &'static str, text: &str) -> Result<(), InvalidField> {
    if text.contains('\0') {
        Err(invalid(field, "contains a NUL character"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(changes: Value) -> Result<(String, Vec<String>), InvalidField> {
        let mut request = json!({"execId": "e-1", "command": "true", "timeoutMs": 1000, "maxOutputBytes": 100});
        for (name, value) in changes.as_object().unwrap() {
            request[name] = value.clone();
        }
        program_of(&serde_json::from_value(request).unwrap())
    }

    #[test]
    fn a_command_goes_to_the_shell_and_argv_does_not() {
        assert_eq!(
            check(json!({})).unwrap(),
            ("/bin/sh".into(), vec!["-c".into(), "true".into()])
        );
        let argv = json!({"command": null, "argv": ["ls", "-l", "a b"]});
        assert_eq!(check(argv).unwrap(), ("ls".into(), vec!["-l".into(), "a b".into()]));
    }

    #[test]
    fn every_bad_field_is_named() {
        for (field, changes) in [
            ("execId", json!({"execId": ""})),
            ("execId", json!({"execId": "../x"})),
            ("execId", json!({"execId": "é"})),
            ("execId", json!({"execId": "x".repeat(65)})),
            ("command", json!({"command": null})),
            ("command", json!({"command": "  "})),
            ("command", json!({"command": "a\0b"})),
            ("argv", json!({"argv": ["x"]})),
            ("argv", json!({"command": null, "argv": []})),
            ("argv", json!({"command": null, "argv": [""]})),
            ("argv", json!({"command": null, "argv": ["x", "a\0b"]})),
            ("cwd", json!({"cwd": "relative"})),
            ("cwd", json!({"cwd": "/a\0b"})),
            ("env", json!({"env": {"": "x"}})),
            ("env", json!({"env": {"A=B": "x"}})),
            ("env", json!({"env": {"A\0": "x"}})),
            ("env", json!({"env": {"A": "x\0"}})),
            ("env", json!({"env": {"MOLT_CONTROL_TOKEN": "x"}})),
            ("env", json!({"env": {"molt_x": "x"}})),
            ("timeoutMs", json!({"timeoutMs": 0})),
            ("timeoutMs", json!({"timeoutMs": MAX_TIMEOUT_MS + 1})),
            ("killGraceMs", json!({"killGraceMs": 0})),
            ("killGraceMs", json!({"killGraceMs": 60_001})),
            ("uid", json!({"uid": 0})),
            ("uid", json!({"uid": u32::MAX})),
            ("limits.memoryBytes", json!({"limits": {"memoryBytes": 0}})),
            ("limits.cpuSeconds", json!({"limits": {"cpuSeconds": 0}})),
            ("limits.openFiles", json!({"limits": {"openFiles": 0}})),
            ("limits.processes", json!({"limits": {"processes": 0}})),
            ("maxOutputBytes", json!({"maxOutputBytes": MAX_OUTPUT_BYTES + 1})),
        ] {
            let error = check(changes.clone()).unwrap_err();
            assert_eq!(error.field, field, "{changes}");
        }
    }

    #[test]
    fn a_secret_value_is_not_repeated() {
        let error = check(json!({"env": {"KEY": "topsecret\0"}})).unwrap_err().to_string();
        assert!(error.contains("KEY") && !error.contains("topsecret"));
    }
}
