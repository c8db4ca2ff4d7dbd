//! What an admin may ask to have run: limits and forms of [`ExecRequest`], each refusal naming its field.

use crate::api::exec::{KILL_GRACE_DEFAULT_MS, KILL_GRACE_MAX_MS};
use crate::api::{EXEC_TIMEOUT_DEFAULT_MS, EXEC_TIMEOUT_MAX_MS, ExecRequest, OUTPUT_DEFAULT_BYTES, OUTPUT_MAX_BYTES};
use crate::control::{ExecLimits, ExecStart};
use crate::id::ExecId;
use crate::problem::Problem;
use sha2::{Digest, Sha256};

const LONGEST_COMMAND: usize = 128 * 1024;
/// Most bytes of text for standard input.
pub const STDIN_MAX_BYTES: usize = 512 * 1024;
const MOST_ARGUMENTS: usize = 4096;
const MOST_VARIABLES: usize = 256;
/// With less not even a shell starts.
const LEAST_MEMORY: u64 = 16 * 1024 * 1024;

impl ExecRequest {
    /// The command for the supervisor.
    ///
    /// # Errors
    /// 400 `invalid_request` that names the field.
    pub fn checked(&self, id: &ExecId) -> Result<ExecStart, Problem> {
        match (&self.command, &self.argv) {
            (None, None) => {
                return Err(Problem::invalid("command", "is required (or argv)").labelled("Command is required"));
            }
            (Some(_), Some(_)) => return Err(Problem::invalid("argv", "and command exclude each other")),
            (Some(command), None) => {
                if command.trim().is_empty() {
                    return Err(Problem::invalid("command", "must not be empty").labelled("Command is required"));
                }
                text("command", command, LONGEST_COMMAND)?;
            }
            (None, Some(argv)) => {
                if argv.first().is_none_or(String::is_empty) {
                    return Err(Problem::invalid("argv", "must begin with the name of a program"));
                }
                if argv.len() > MOST_ARGUMENTS || argv.iter().map(String::len).sum::<usize>() > LONGEST_COMMAND {
                    return Err(Problem::invalid(
                        "argv",
                        format!("may have {MOST_ARGUMENTS} entries and {LONGEST_COMMAND} bytes"),
                    ));
                }
                argv.iter()
                    .try_for_each(|argument| text("argv", argument, LONGEST_COMMAND))?;
            }
        }
        if let Some(cwd) = &self.cwd {
            text("cwd", cwd, 4096)?;
            if !cwd.starts_with('/') {
                return Err(Problem::invalid("cwd", "must be an absolute path"));
            }
        }
        if let Some(stdin) = &self.stdin
            && stdin.len() > STDIN_MAX_BYTES
        {
            return Err(Problem::invalid(
                "stdin",
                format!("is longer than {STDIN_MAX_BYTES} bytes"),
            ));
        }
        self.check_env()?;
        Ok(ExecStart {
            exec_id: id.to_string(),
            command: self.command.clone(),
            argv: self.argv.clone(),
            cwd: self.cwd.clone(),
            env: self.env.clone(),
            stdin: self.stdin.clone(),
            timeout_ms: within(
                "timeoutMs",
                self.timeout_ms,
                EXEC_TIMEOUT_DEFAULT_MS,
                EXEC_TIMEOUT_MAX_MS,
            )?,
            kill_grace_ms: within(
                "killGraceMs",
                self.kill_grace_ms,
                KILL_GRACE_DEFAULT_MS,
                KILL_GRACE_MAX_MS,
            )?,
            uid: self.uid()?,
            limits: self.limits()?,
            max_output_bytes: within(
                "maxOutputBytes",
                self.max_output_bytes,
                OUTPUT_DEFAULT_BYTES,
                OUTPUT_MAX_BYTES,
            )?,
        })
    }

    fn uid(&self) -> Result<Option<u32>, Problem> {
        match self.uid {
            Some(0) => Err(Problem::invalid("uid", "must not be 0: root is the supervisor's alone")),
            // -1 means "unchanged" to the kernel.
            Some(u32::MAX) => Err(Problem::invalid("uid", "is none")),
            uid => Ok(uid),
        }
    }

    fn limits(&self) -> Result<ExecLimits, Problem> {
        let limits = self.limits;
        for (field, value, least) in [
            ("limits.memoryBytes", limits.memory_bytes, LEAST_MEMORY),
            ("limits.cpuSeconds", limits.cpu_seconds, 1),
            ("limits.fileBytes", limits.file_bytes, 0),
            ("limits.openFiles", limits.open_files, 8),
            ("limits.processes", limits.processes, 1),
        ] {
            // JSON numbers of scripts are exact up to here.
            if value.is_some_and(|value| !(least..=1 << 53).contains(&value)) {
                return Err(Problem::invalid(
                    field,
                    format!("must be from {least} to {}", 1_u64 << 53),
                ));
            }
        }
        Ok(limits)
    }

    fn check_env(&self) -> Result<(), Problem> {
        if self.env.len() > MOST_VARIABLES {
            return Err(Problem::invalid("env", format!("may have {MOST_VARIABLES} variables")));
        }
        for (name, value) in &self.env {
            let mut bytes = name.bytes();
            let first = bytes
                .next()
                .is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
            if !first || !bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
                return Err(Problem::invalid("env", format!("has a name that is none: {name:?}")));
            }
            if name.starts_with("MOLT_") {
                return Err(Problem::invalid("env", "may not set names that begin with MOLT_"));
            }
            text("env", value, LONGEST_COMMAND)?;
        }
        Ok(())
    }

    /// The command as lists show it.
    #[must_use]
    pub fn shown(&self) -> String {
        match (&self.command, &self.argv) {
            (Some(command), _) => command.clone(),
            (None, Some(argv)) => argv.join(" "),
            (None, None) => String::new(),
        }
    }

    /// Equal for equal requests: what an idempotency key is compared with.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let canonical = serde_json::to_vec(self).unwrap_or_default();
        crate::id::hex(&Sha256::digest(&canonical))
    }
}

fn text(field: &str, value: &str, longest: usize) -> Result<(), Problem> {
    if value.len() > longest {
        Err(Problem::invalid(field, format!("is longer than {longest} bytes")))
    } else if value.contains('\0') {
        Err(Problem::invalid(field, "contains a NUL character"))
    } else {
        Ok(())
    }
}

fn within(field: &str, value: Option<u64>, default: u64, most: u64) -> Result<u64, Problem> {
    match value.unwrap_or(default) {
        ok if (1..=most).contains(&ok) => Ok(ok),
        _ => Err(Problem::invalid(field, format!("must be from 1 to {most}"))),
    }
}

#[cfg(test)]
mod tests {
    use crate::api::ExecRequest;
    use crate::id::ExecId;

    fn check(json: &str) -> Result<crate::control::ExecStart, String> {
        let request: ExecRequest = serde_json::from_str(json).map_err(|error| error.to_string())?;
        request
            .checked(&ExecId::parse("e").unwrap())
            .map_err(|problem| problem.field.unwrap_or_default())
    }

    #[test]
    fn fills_in_defaults_and_takes_the_older_names() {
        let start = check(r#"{"command":"echo hello"}"#).unwrap();
        assert_eq!((start.timeout_ms, start.max_output_bytes), (30_000, 262_144));
        let start = check(r#"{"argv":["ls","-l"],"workingDir":"/tmp","timeout":5,"async":true}"#).unwrap();
        assert_eq!((start.cwd.as_deref(), start.timeout_ms), (Some("/tmp"), 5));
    }

    #[test]
    fn refuses_by_field() {
        for (json, field) in [
            (r#"{}"#, "command"),
            (r#"{"command":" "}"#, "command"),
            (r#"{"command":"a\u0000b"}"#, "command"),
            (r#"{"command":"a","argv":["b"]}"#, "argv"),
            (r#"{"argv":[]}"#, "argv"),
            (r#"{"argv":[""]}"#, "argv"),
            (r#"{"command":"a","cwd":"relative"}"#, "cwd"),
            (r#"{"command":"a","timeoutMs":0}"#, "timeoutMs"),
            (r#"{"command":"a","timeoutMs":86400001}"#, "timeoutMs"),
            (r#"{"command":"a","maxOutputBytes":4194305}"#, "maxOutputBytes"),
            (r#"{"command":"a","killGraceMs":0}"#, "killGraceMs"),
            (r#"{"command":"a","killGraceMs":60001}"#, "killGraceMs"),
            (r#"{"command":"a","uid":0}"#, "uid"),
            (r#"{"command":"a","uid":4294967295}"#, "uid"),
            (r#"{"command":"a","limits":{"memoryBytes":1}}"#, "limits.memoryBytes"),
            (r#"{"command":"a","limits":{"cpuSeconds":0}}"#, "limits.cpuSeconds"),
            (
                r#"{"command":"a","limits":{"processes":9007199254740993}}"#,
                "limits.processes",
            ),
            (r#"{"command":"a","env":{"1A":"x"}}"#, "env"),
            (r#"{"command":"a","env":{"MOLT_X":"x"}}"#, "env"),
            (r#"{"command":"a","env":{"A=B":"x"}}"#, "env"),
        ] {
            assert_eq!(check(json).unwrap_err(), field, "{json}");
        }
        for json in [
            r#"{"command":1}"#,
            r#"{"command":"a","timeoutMs":-1}"#,
            r#"{"command":"a","unknown":1}"#,
            "[]",
        ] {
            assert!(check(json).is_err(), "{json}");
        }
    }

    #[test]
    fn a_fingerprint_tells_requests_apart() {
        let of = |json: &str| serde_json::from_str::<ExecRequest>(json).unwrap().fingerprint();
        assert_eq!(
            of(r#"{"command":"a","timeout":5}"#),
            of(r#"{"timeoutMs":5,"command":"a"}"#)
        );
        assert_ne!(of(r#"{"command":"a"}"#), of(r#"{"command":"b"}"#));
    }
}
