//! A disk that is suddenly almost empty: perhaps its user tidied up, perhaps something ate it. What cannot be told apart does not become what
//! the next start restores, before somebody has looked.

/// Fewer files before it say nothing: an agent that was just set up has some dozens, and whoever begins anew is soon below any share of them.
pub const LEAST_FILES: u64 = 100;
/// Of files, so little is left: three quarters went at once. Emptying caches and removing a checkout leave more of a home.
pub const FILES_LEFT: u64 = 4;
/// Fewer bytes before it say nothing: one video or archive that goes is most of such a home.
pub const LEAST_BYTES: u64 = 64 * 1024 * 1024;
/// Of bytes, so little is left: a tenth. One large file is often most of a home, so this is stricter than with files.
pub const BYTES_LEFT: u64 = 10;

/// Files and bytes of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Regular files.
    pub files: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Why a snapshot on top of another one is suspicious, if it is.
#[must_use]
pub fn suspicious(before: Extent, after: Extent) -> Option<String> {
    let files = before.files >= LEAST_FILES && after.files.saturating_mul(FILES_LEFT) < before.files;
    let bytes = before.bytes >= LEAST_BYTES && after.bytes.saturating_mul(BYTES_LEFT) < before.bytes;
    let text = || {
        format!(
            "It has {} files of {} bytes, the one before it had {} of {}.",
            after.files, after.bytes, before.files, before.bytes
        )
    };
    (files || bytes).then(text)
}

#[cfg(test)]
mod tests {
    use super::{Extent, suspicious};
    use proptest::prelude::*;

    const fn extent(files: u64, bytes: u64) -> Extent {
        Extent { files, bytes }
    }

    #[test]
    fn what_lost_most_of_it_is_suspicious_and_what_was_tiny_is_not() {
        let mib = 1024 * 1024;
        assert!(suspicious(extent(1_000, mib), extent(249, mib)).is_some());
        assert!(suspicious(extent(1_000, mib), extent(250, mib)).is_none());
        assert!(suspicious(extent(99, mib), extent(0, 0)).is_none());
        assert!(suspicious(extent(100, mib), extent(0, 0)).is_some());
        assert!(suspicious(extent(10, 640 * mib), extent(10, 63 * mib)).is_some());
        assert!(suspicious(extent(10, 640 * mib), extent(10, 64 * mib)).is_none());
        assert!(suspicious(extent(10, 63 * mib), extent(10, 0)).is_none());
        let why = suspicious(extent(500, 9), extent(3, 1)).unwrap();
        assert!(why.contains("3 files") && why.contains("500"), "{why}");
    }

    proptest! {
        /// Growth is never suspicious, and what is suspicious stays so with less.
        #[test]
        fn less_is_never_less_suspicious(files in any::<u32>(), bytes in any::<u32>(), after in any::<u32>(), left in any::<u32>()) {
            let before = extent(files.into(), bytes.into());
            prop_assert!(suspicious(before, extent(before.files + u64::from(after), before.bytes + u64::from(left))).is_none());
            let small = extent(u64::from(after), u64::from(left));
            if suspicious(before, small).is_some() {
                prop_assert!(suspicious(before, extent(small.files / 2, small.bytes / 2)).is_some());
            }
        }
    }
}
