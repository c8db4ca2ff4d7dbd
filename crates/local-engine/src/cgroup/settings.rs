//! Which file of a control group takes which value, in both versions of the interface.

use std::io;
use std::path::Path;

use crate::limits::Limits;

/// Microseconds over which processor time is counted.
const CPU_PERIOD: u64 = 100_000;

/// One value for one file.
#[derive(Debug, PartialEq, Eq)]
pub struct Setting {
    /// Name of the file.
    pub file: &'static str,
    /// What is written.
    pub value: String,
    /// Whether a kernel may lack the file (swap accounting is often off).
    pub optional: bool,
}

impl Setting {
    fn required(file: &'static str, value: impl ToString) -> Self {
        Self {
            file,
            value: value.to_string(),
            optional: false,
        }
    }

    fn optional(file: &'static str, value: impl ToString) -> Self {
        Self {
            file,
            value: value.to_string(),
            optional: true,
        }
    }

    /// Writes the value into the group at `directory`.
    pub fn apply(&self, directory: &Path) -> io::Result<()> {
        let path = directory.join(self.file);
        if self.optional && !path.exists() {
            return Ok(());
        }
        std::fs::write(&path, &self.value)
            .map_err(|error| io::Error::new(error.kind(), format!("{} = {}: {error}", path.display(), self.value)))
    }
}

fn cpu_quota(limits: &Limits) -> u64 {
    // The kernel refuses less than a millisecond per period.
    (limits.cpu_millis.saturating_mul(CPU_PERIOD) / 1_000).max(1_000)
}

/// Values for a cgroup v2.
pub fn v2(limits: &Limits) -> Vec<Setting> {
    vec![
        Setting::required("cpu.max", format!("{} {CPU_PERIOD}", cpu_quota(limits))),
        Setting::required("memory.max", limits.memory_bytes),
        Setting::optional("memory.swap.max", 0),
        Setting::required("pids.max", limits.pids),
    ]
}

/// Values for one controller of a cgroup v1.
pub fn v1(controller: &str, limits: &Limits) -> Vec<Setting> {
    match controller {
        "cpu" => vec![
            Setting::required("cpu.cfs_period_us", CPU_PERIOD),
            Setting::required("cpu.cfs_quota_us", cpu_quota(limits)),
        ],
        "memory" => vec![
            Setting::required("memory.limit_in_bytes", limits.memory_bytes),
            // Memory and swap together: equal to the memory alone, so no swap.
            Setting::optional("memory.memsw.limit_in_bytes", limits.memory_bytes),
        ],
        "pids" => vec![Setting::required("pids.max", limits.pids)],
        _ => Vec::new(),
    }
}

/// The count of kills in `memory.events` (v2) or `memory.oom_control` (v1).
pub fn memory_kills(text: &str) -> Option<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIER_1: Limits = Limits {
        cpu_millis: 500,
        memory_bytes: 4 << 30,
        pids: 2_048,
    };

    fn value(settings: &[Setting], file: &str) -> String {
        settings
            .iter()
            .find(|setting| setting.file == file)
            .unwrap()
            .value
            .clone()
    }

    #[test]
    fn both_versions_say_the_same() {
        let second = v2(&TIER_1);
        assert_eq!(value(&second, "cpu.max"), "50000 100000");
        assert_eq!(value(&v1("cpu", &TIER_1), "cpu.cfs_quota_us"), "50000");
        assert_eq!(value(&second, "memory.max"), "4294967296");
        assert_eq!(value(&v1("memory", &TIER_1), "memory.limit_in_bytes"), "4294967296");
        assert_eq!(value(&second, "pids.max"), value(&v1("pids", &TIER_1), "pids.max"));
    }

    #[test]
    fn swap_does_not_stretch_the_memory() {
        assert_eq!(value(&v2(&TIER_1), "memory.swap.max"), "0");
        assert_eq!(
            value(&v1("memory", &TIER_1), "memory.memsw.limit_in_bytes"),
            "4294967296"
        );
    }

    #[test]
    fn a_tiny_share_of_a_processor_is_still_one_that_the_kernel_takes() {
        assert_eq!(
            value(
                &v2(&Limits {
                    cpu_millis: 1,
                    ..TIER_1
                }),
                "cpu.max"
            ),
            "1000 100000"
        );
    }

    #[test]
    fn kills_are_read_from_both_versions() {
        assert_eq!(
            memory_kills("low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\noom_group_kill 0\n"),
            Some(2)
        );
        assert_eq!(memory_kills("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"), Some(3));
        assert_eq!(memory_kills("oom_kill_disable 0\n"), None);
    }

    #[test]
    fn a_setting_that_a_kernel_may_lack_is_skipped_and_any_other_fault_is_told() {
        let group = tempfile::tempdir().unwrap();
        Setting::optional("memory.swap.max", 0).apply(group.path()).unwrap();
        assert!(!group.path().join("memory.swap.max").exists());
        let error = Setting::required("no/such", 1).apply(group.path()).unwrap_err();
        assert!(error.to_string().contains("no/such = 1"), "{error}");
    }
}
