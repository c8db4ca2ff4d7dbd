//! How much of the machine a sandbox may use, by its tier.

use serde::{Deserialize, Serialize};

/// Name of the variable in a container's environment that holds its tier.
pub const TIER_VARIABLE: &str = "MOLT_TIER";
/// Processes and threads that one sandbox may have.
const PIDS: u64 = 2_048;
const GIB: u64 = 1 << 30;

/// Upper bounds for everything in one container together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Thousandths of one processor.
    pub cpu_millis: u64,
    /// Bytes, page cache and tmpfs included.
    pub memory_bytes: u64,
    /// Processes and threads.
    pub pids: u64,
}

/// Bounds in an image's entry that make the tier's smaller, never larger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitCaps {
    /// Thousandths of one processor.
    pub cpu_millis: Option<u64>,
    /// Mebibytes.
    pub memory_mib: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// The tier that `MOLT_TIER` held is none that exists.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{TIER_VARIABLE} must be 1, 2 or 3")]
pub struct UnknownTier;

impl Limits {
    /// Bounds for the value of `MOLT_TIER`; a container without one gets those of tier 1.
    pub fn for_tier(tier: Option<&str>) -> Result<Self, UnknownTier> {
        let (cpu_millis, memory) = match tier {
            None | Some("1") => (500, 4),
            Some("2") => (1_000, 6),
            Some("3") => (2_000, 8),
            Some(_) => return Err(UnknownTier),
        };
        Ok(Self {
            cpu_millis,
            memory_bytes: memory * GIB,
            pids: PIDS,
        })
    }

    /// The smaller of each bound.
    pub fn capped(self, caps: LimitCaps) -> Self {
        Self {
            cpu_millis: self.cpu_millis.min(caps.cpu_millis.unwrap_or(u64::MAX)),
            memory_bytes: self
                .memory_bytes
                .min(caps.memory_mib.map_or(u64::MAX, |mib| mib.saturating_mul(1 << 20))),
            pids: self.pids.min(caps.pids.unwrap_or(u64::MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_has_its_size() {
        let of = |tier| Limits::for_tier(tier).unwrap();
        assert_eq!(
            of(Some("1")),
            Limits {
                cpu_millis: 500,
                memory_bytes: 4 * GIB,
                pids: 2_048
            }
        );
        assert_eq!(
            of(Some("2")),
            Limits {
                cpu_millis: 1_000,
                memory_bytes: 6 * GIB,
                pids: 2_048
            }
        );
        assert_eq!(
            of(Some("3")),
            Limits {
                cpu_millis: 2_000,
                memory_bytes: 8 * GIB,
                pids: 2_048
            }
        );
        assert_eq!(of(None), of(Some("1")));
    }

    #[test]
    fn a_tier_that_does_not_exist_is_refused_and_not_taken_for_another() {
        for tier in ["", "0", "4", "01", "one", " 1"] {
            assert_eq!(Limits::for_tier(Some(tier)), Err(UnknownTier), "{tier:?}");
        }
    }

    #[test]
    fn an_image_can_only_lower_a_bound() {
        let tier = Limits::for_tier(Some("1")).unwrap();
        let caps = LimitCaps {
            cpu_millis: Some(100),
            memory_mib: Some(64),
            pids: Some(u64::MAX),
        };
        assert_eq!(
            tier.capped(caps),
            Limits {
                cpu_millis: 100,
                memory_bytes: 64 << 20,
                pids: 2_048
            }
        );
        assert_eq!(tier.capped(LimitCaps::default()), tier);
        assert_eq!(
            tier.capped(LimitCaps {
                memory_mib: Some(u64::MAX),
                ..LimitCaps::default()
            }),
            tier
        );
    }
}
