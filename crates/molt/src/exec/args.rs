//! Command line of `molt exec`, and the request that it makes.

use super::submit::new_key;
use super::values::{Limit, Variable, bytes, millis};
use crate::client::ClientError;
use crate::follow::{Interrupts, OnInterrupt};
use clap::Args;
use molt_common::api::ExecRequest;
use molt_common::control::ExecLimits;
use molt_common::exec_request::STDIN_MAX_BYTES;
use std::io::Read;

/// What is run and how.
#[derive(Debug, Args)]
pub struct What {
    /// Variable of the command's environment; NAME alone takes its value from the environment of molt, so that a secret is no argument
    #[arg(long, value_name = "NAME[=VALUE]")]
    pub env: Vec<Variable>,
    /// Working directory, absolute; the home directory when not given
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// Reads standard input to its end, at most 512 KiB of text, and hands it to the command
    #[arg(long)]
    pub stdin: bool,
    /// Time from the start of the process until it is stopped, such as 90s or 2h; 30s when not given, at most a day
    #[arg(long, value_name = "DURATION", value_parser = millis)]
    pub timeout: Option<u64>,
    /// The same in milliseconds
    #[arg(long, value_name = "MS", conflicts_with = "timeout")]
    pub timeout_ms: Option<u64>,
    /// Time between TERM and KILL when it is stopped; 5s when not given, at most 60s
    #[arg(long, value_name = "DURATION", value_parser = millis)]
    pub grace: Option<u64>,
    /// Bytes kept of each output stream, its first and its last half, such as 4MiB (the most); 256KiB when not given
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_output: Option<u64>,
    /// User id inside the sandbox, from 1; the agent's user when not given
    #[arg(long)]
    pub uid: Option<u32>,
    /// Limits of the command's processes, separated by commas: memory, file-size (bytes, such as 512MiB), cpu (such as 60s), open-files, processes
    #[arg(long, value_name = "NAME=VALUE", value_delimiter = ',')]
    pub limit: Vec<Limit>,
    /// Program and arguments, after `--`. A single one is a command line for sh.
    #[arg(required = true, last = true)]
    pub argv: Vec<String>,
}

/// How a job is submitted and waited for.
#[derive(Debug, Args)]
pub struct Submission {
    /// Does not wait: prints the id of the job
    #[arg(long, conflicts_with = "on_interrupt")]
    detach: bool,
    /// What Ctrl-C does; `ask` cancels where there is no terminal. TERM cancels unless this is `detach`
    #[arg(long, value_enum, default_value_t = OnInterrupt::Ask)]
    on_interrupt: OnInterrupt,
    /// Begins the job only once however often this is called with the same key and the same arguments
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
}

impl Submission {
    /// Attends to interruptions from here on, unless nothing is waited for.
    ///
    /// # Errors
    /// When the signals cannot be taken.
    pub fn interrupts(&self) -> std::io::Result<Option<Interrupts>> {
        (!self.detach).then(|| Interrupts::take(self.on_interrupt)).transpose()
    }

    /// The caller's key, or a new one.
    pub fn key(&self) -> String {
        self.idempotency_key.clone().unwrap_or_else(new_key)
    }
}

/// How `molt exec` goes about it.
#[derive(Debug, Args)]
pub struct Exec {
    /// User id or name.
    pub user: String,
    /// How it is submitted and waited for.
    #[command(flatten)]
    pub submission: Submission,
    /// What is run.
    #[command(flatten)]
    pub what: What,
}

impl What {
    /// The request; reads standard input to its end if that is asked.
    ///
    /// # Errors
    /// [`ClientError::Argument`] for a variable that is not set, a limit that is given twice, or standard input that cannot be sent.
    pub fn request(&self) -> Result<ExecRequest, ClientError> {
        let stdin = self.stdin.then(|| read_stdin(std::io::stdin())).transpose()?;
        let (command, argv) = match self.argv.as_slice() {
            [line] => (Some(line.clone()), None),
            argv => (None, Some(argv.to_vec())),
        };
        let variables = self.env.iter().map(Variable::resolve);
        Ok(ExecRequest {
            command,
            argv,
            cwd: self.cwd.clone(),
            env: variables.collect::<Result<_, _>>().map_err(ClientError::Argument)?,
            stdin,
            timeout_ms: self.timeout.or(self.timeout_ms),
            kill_grace_ms: self.grace,
            max_output_bytes: self.max_output,
            uid: self.uid,
            limits: self.limits()?,
            asynchronous: None,
        })
    }

    fn limits(&self) -> Result<ExecLimits, ClientError> {
        let mut limits = ExecLimits::default();
        for limit in &self.limit {
            let (place, value) = match limit {
                Limit::Memory(value) => (&mut limits.memory_bytes, value),
                Limit::Cpu(value) => (&mut limits.cpu_seconds, value),
                Limit::FileSize(value) => (&mut limits.file_bytes, value),
                Limit::OpenFiles(value) => (&mut limits.open_files, value),
                Limit::Processes(value) => (&mut limits.processes, value),
            };
            if place.replace(*value).is_some() {
                return Err(ClientError::Argument(format!(
                    "--limit {} is given twice",
                    limit.name()
                )));
            }
        }
        Ok(limits)
    }
}

/// Text for standard input, read to its end.
fn read_stdin(from: impl Read) -> Result<String, ClientError> {
    let most = u64::try_from(STDIN_MAX_BYTES).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let argument = |text: String| ClientError::Argument(format!("--stdin: {text}"));
    from.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| argument(error.to_string()))?;
    if bytes.len() > STDIN_MAX_BYTES {
        return Err(argument(format!(
            "standard input has more than {STDIN_MAX_BYTES} bytes; put what is longer into a file of the sandbox"
        )));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        argument(format!(
            "standard input must be UTF-8 text, and its byte {at} is none; pipe it through base64, and `base64 -d` in the sandbox"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::read_stdin;

    #[test]
    fn standard_input_is_text_up_to_its_limit() {
        assert_eq!(read_stdin("ä\n".as_bytes()).unwrap(), "ä\n");
        assert_eq!(read_stdin("".as_bytes()).unwrap(), "");
        assert_eq!(read_stdin(vec![b'x'; 512 * 1024].as_slice()).unwrap().len(), 512 * 1024);
        let refused = |bytes: Vec<u8>| read_stdin(bytes.as_slice()).unwrap_err().to_string();
        assert!(refused(vec![b'x'; 512 * 1024 + 1]).contains("more than 524288 bytes"));
        assert!(refused(vec![b'a', 0xff]).contains("byte 1 is none"));
    }
}
