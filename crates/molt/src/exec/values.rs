//! Values of options as people write them.

use bytesize::ByteSize;
use std::str::FromStr;

/// Milliseconds of a duration such as `90s`.
///
/// # Errors
/// What is wrong with it.
pub fn millis(text: &str) -> Result<u64, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match u64::try_from(duration.as_millis()) {
        Ok(0) | Err(_) => Err("must be from 1ms on".into()),
        Ok(millis) => Ok(millis),
    }
}

/// Bytes of a size such as `4MiB`.
///
/// # Errors
/// What is wrong with it.
pub fn bytes(text: &str) -> Result<u64, String> {
    ByteSize::from_str(text)
        .map(|size| size.as_u64())
        .map_err(|_| "must be a number of bytes, such as 4096, 256KiB or 4MiB".into())
}

/// A variable, with its value or without.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    name: String,
    value: Option<String>,
}

// The value may be a secret.
impl std::fmt::Debug for Variable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Variable").field(&self.name).finish()
    }
}

impl FromStr for Variable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text, None),
        };
        if name.is_empty() {
            return Err("must be NAME=VALUE, or NAME to take the value from the environment".into());
        }
        Ok(Self {
            name: name.to_owned(),
            value,
        })
    }
}

impl Variable {
    /// Name and value, the latter from the environment when it was not given.
    ///
    /// # Errors
    /// When it is not set there, or no text.
    pub fn resolve(&self) -> Result<(String, String), String> {
        let value = match &self.value {
            Some(value) => value.clone(),
            None => std::env::var(&self.name).map_err(|error| match error {
                std::env::VarError::NotPresent => format!("--env {0}: {0} is not set in the environment", self.name),
                std::env::VarError::NotUnicode(_) => format!("--env {0}: the value of {0} is not UTF-8", self.name),
            })?,
        };
        Ok((self.name.clone(), value))
    }
}

/// A limit of a command's processes, in the API's units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Address space of each process, bytes.
    Memory(u64),
    /// Processor time of each process, seconds.
    Cpu(u64),
    /// Size of each file written, bytes.
    FileSize(u64),
    /// Open files of each process.
    OpenFiles(u64),
    /// Processes and threads of the user.
    Processes(u64),
}

impl Limit {
    /// As in arguments.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Cpu(_) => "cpu",
            Self::FileSize(_) => "file-size",
            Self::OpenFiles(_) => "open-files",
            Self::Processes(_) => "processes",
        }
    }
}

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let count = |text: &str| text.parse::<u64>().map_err(|_| "must be a number".to_owned());
        match text.split_once('=') {
            Some(("memory", value)) => bytes(value).map(Self::Memory),
            Some(("file-size", value)) => bytes(value).map(Self::FileSize),
            Some(("cpu", value)) => seconds(value).map(Self::Cpu),
            Some(("open-files", value)) => count(value).map(Self::OpenFiles),
            Some(("processes", value)) => count(value).map(Self::Processes),
            _ => Err("must be memory=, file-size=, cpu=, open-files= or processes= and a value".into()),
        }
    }
}

/// Whole seconds: a bare number, or a duration that is rounded up, because the kernel counts no fractions.
fn seconds(text: &str) -> Result<u64, String> {
    text.parse()
        .or_else(|_| millis(text).map(|millis| millis.div_ceil(1_000)))
}

#[cfg(test)]
mod tests {
    use super::{Limit, Variable, bytes, millis};

    #[test]
    fn durations_and_sizes_are_read_as_people_write_them() {
        assert_eq!(millis("90s"), Ok(90_000));
        assert_eq!(millis("1h 30m"), Ok(5_400_000));
        for bad in ["", "90", "0s", "soon"] {
            assert!(millis(bad).is_err(), "{bad}");
        }
        assert_eq!(
            (bytes("4096"), bytes("4MiB"), bytes("1kB")),
            (Ok(4_096), Ok(4 << 20), Ok(1_000))
        );
        for bad in ["", "-1", "much", "4XiB"] {
            assert!(bytes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn limits_are_in_the_units_of_the_api() {
        for (text, limit) in [
            ("memory=512MiB", Limit::Memory(512 << 20)),
            ("cpu=60", Limit::Cpu(60)),
            ("cpu=1m", Limit::Cpu(60)),
            ("cpu=1500ms", Limit::Cpu(2)),
            ("file-size=10kB", Limit::FileSize(10_000)),
            ("open-files=64", Limit::OpenFiles(64)),
            ("processes=32", Limit::Processes(32)),
        ] {
            assert_eq!(text.parse(), Ok(limit), "{text}");
            assert!(text.starts_with(limit.name()));
        }
        for bad in ["memory", "memory=", "memory=much", "disk=1", "processes=-1", "cpu=0s"] {
            assert!(bad.parse::<Limit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variable_has_a_value_or_takes_that_of_the_environment() {
        let resolved = |text: &str| text.parse::<Variable>().unwrap().resolve();
        assert_eq!(resolved("A=b=c"), Ok(("A".into(), "b=c".into())));
        assert_eq!(resolved("A="), Ok(("A".into(), String::new())));
        let (name, path) = resolved("PATH").unwrap();
        assert_eq!((name.as_str(), path), ("PATH", std::env::var("PATH").unwrap()));
        assert!(resolved("MOLT_TEST_IS_NOT_SET").unwrap_err().contains("is not set"));
        assert!("=b".parse::<Variable>().is_err());
        let secret: Variable = "A=secret".parse().unwrap();
        assert!(!format!("{secret:?}").contains("secret"));
    }
}
