//! What the platform asks for what a sandbox uses, as it publishes it, and what that comes to. Everything here makes estimates.
//!
//! Amounts are whole numbers of billionths of a US dollar inside and millionths outside: sums of such numbers are exact.

/// When the rates below were read.
pub const READ_ON: &str = "2026-11-21";
/// Where rates of containers stand.
pub const CONTAINERS_SOURCE: &str = "https://developers.cloudflare.com/containers/pricing/";
/// Where the sizes of instances stand.
pub const SIZES_SOURCE: &str = "https://developers.cloudflare.com/containers/platform/limits/";
/// Where rates of the bucket stand.
pub const STORAGE_SOURCE: &str = "https://developers.cloudflare.com/r2/pricing/";

/// Billionths of a dollar for a second of one virtual CPU in use.
pub const VCPU_SECOND_NANOS: u64 = 20_000;
/// The same for a second of one GiB of memory, used or not.
pub const GIB_SECOND_NANOS: u64 = 2_500;
/// The same for a second of one GB of disk, used or not.
pub const GB_SECOND_NANOS: u64 = 70;
/// The same for one GB of the bucket in a month, which here has thirty days.
pub const GB_MONTH_NANOS: u64 = 15_000_000;

/// Days of a month, for storage.
const MONTH_DAYS: u64 = 30;
/// Megabytes of a gigabyte.
const GB_MB: u64 = 1_000;

/// What a tier has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// 1, 2 or 3.
    pub tier: u8,
    /// Thousandths of a virtual CPU.
    pub milli_vcpu: u64,
    /// GiB of memory.
    pub memory_gib: u64,
    /// GB of disk.
    pub disk_gb: u64,
}

/// `standard-1` to `standard-3`.
pub const SIZES: [Size; 3] = [
    Size {
        tier: 1,
        milli_vcpu: 500,
        memory_gib: 4,
        disk_gb: 8,
    },
    Size {
        tier: 2,
        milli_vcpu: 1_000,
        memory_gib: 6,
        disk_gb: 12,
    },
    Size {
        tier: 3,
        milli_vcpu: 2_000,
        memory_gib: 8,
        disk_gb: 16,
    },
];

/// What so long a run comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunCost {
    /// Memory and disk, in billionths of a dollar: they are paid for as long as the container runs.
    pub memory_and_disk: u64,
    /// Its CPU, as if all of it had been in use all the time: the platform counts only what was.
    pub cpu_at_most: u64,
}

/// What a container of this tier costs that ran so many milliseconds; one that is no tier costs what the largest does.
#[must_use]
pub fn run(tier: u8, ms: u64) -> RunCost {
    let [.., largest] = SIZES;
    let size = SIZES.iter().find(|size| size.tier == tier).copied().unwrap_or(largest);
    let memory = size.memory_gib * GIB_SECOND_NANOS;
    let disk = size.disk_gb * GB_SECOND_NANOS;
    RunCost {
        memory_and_disk: scaled(memory + disk, ms, 1_000),
        cpu_at_most: scaled(size.milli_vcpu * VCPU_SECOND_NANOS, ms, 1_000_000),
    }
}

/// What so many megabytes, each for a day, cost in the bucket, in billionths of a dollar.
#[must_use]
pub fn storage(megabyte_days: u64) -> u64 {
    scaled(GB_MONTH_NANOS, megabyte_days, MONTH_DAYS * GB_MB)
}

/// What so many tokens cost at so many millionths of a dollar for a million of them, in billionths of a dollar.
#[must_use]
pub fn tokens(count: u64, price: u64) -> u64 {
    scaled(price, count, 1_000)
}

/// `rate × amount ÷ per`, rounded to the nearest.
fn scaled(rate: u64, amount: u64, per: u64) -> u64 {
    let per = u128::from(per);
    let product = u128::from(rate) * u128::from(amount);
    u64::try_from((product + per / 2) / per).unwrap_or(u64::MAX)
}

/// Billionths as millionths, rounded to the nearest.
#[must_use]
pub const fn micros(nanos: u64) -> u64 {
    nanos / 1_000 + if nanos % 1_000 >= 500 { 1 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::{RunCost, micros, run, storage, tokens};
    use proptest::prelude::*;

    #[test]
    fn an_hour_of_each_tier_costs_what_the_platform_asks() {
        let hour = |tier| {
            let cost = run(tier, 3_600_000);
            (micros(cost.memory_and_disk), micros(cost.cpu_at_most))
        };
        // 4 GiB × 0.0000025 + 8 GB × 0.00000007, times 3,600; half a CPU × 0.00002 × 3,600.
        assert_eq!(hour(1), (38_016, 36_000));
        assert_eq!(hour(2), (57_024, 72_000));
        assert_eq!(hour(3), (76_032, 144_000));
        assert_eq!(run(9, 1_000), run(3, 1_000));
        assert_eq!(run(1, 0), RunCost::default());
    }

    #[test]
    fn a_gigabyte_for_a_month_and_a_million_tokens_cost_their_price() {
        assert_eq!(micros(storage(30 * 1_000)), 15_000);
        assert_eq!(micros(tokens(1_000_000, 3_000_000)), 3_000_000);
        assert_eq!(tokens(1, 3_000_000), 3_000);
    }

    #[test]
    fn the_far_end_does_not_overflow() {
        assert_eq!(tokens(u64::MAX, u64::MAX), u64::MAX);
        assert!(run(3, u64::MAX).cpu_at_most > 0 && storage(u64::MAX) > 0);
    }

    proptest! {
        #[test]
        fn what_is_counted_in_parts_costs_what_the_whole_does(tier in 1_u8..4, parts in prop::collection::vec(0_u64..100_000_000, 1..40)) {
            let whole = run(tier, parts.iter().sum());
            let sum = parts.iter().fold(0, |sum, ms| sum + run(tier, *ms).memory_and_disk);
            // Half a billionth of a dollar for each part that was rounded.
            prop_assert!(sum.abs_diff(whole.memory_and_disk) <= parts.len() as u64);
        }
    }
}
