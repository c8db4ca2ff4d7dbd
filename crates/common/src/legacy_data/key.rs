//! Keys of the old layout.

use crate::id::UserId;
use std::collections::BTreeSet;

/// Below this, a folder per time holds copies of all users' archives.
pub const DATED: &str = "backups/";
const ARCHIVE: &str = "backup.tar.gz";
const PREVIOUS: &str = "backup-archive.tar.gz";
const LAST_SYNC: &str = ".last-sync";
const SECRETS: &str = "secrets.json";
/// So many of the newest dated copies are looked at, and of older ones the newest of each day.
const NEWEST_DATED: usize = 16;
/// Never more than these.
const MOST_DATED: usize = 48;

/// What an object below a user's prefix is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The newest archive.
    Archive,
    /// The one before it, kept when the newer one was much smaller.
    PreviousArchive,
    /// Keys of providers and channels in plain text.
    Secrets,
    /// A note of the old system's.
    Note,
    /// A file of the user's.
    File,
}

/// What all of a user's keys begin with, dated copies apart.
#[must_use]
pub fn prefix(user: UserId) -> String {
    format!("users/{user}/")
}

/// The newest archive.
#[must_use]
pub fn archive(user: UserId) -> String {
    format!("users/{user}/{ARCHIVE}")
}

/// The archive before it.
#[must_use]
pub fn previous(user: UserId) -> String {
    format!("users/{user}/{PREVIOUS}")
}

/// The old system's note of its last save: `<id>|<ISO time>`.
#[must_use]
pub fn last_sync(user: UserId) -> String {
    format!("users/{user}/{LAST_SYNC}")
}

/// Secrets in plain text.
#[must_use]
pub fn secrets(user: UserId) -> String {
    format!("users/{user}/{SECRETS}")
}

/// The copy of a user's archive in a dated folder, whose name ends with a slash.
#[must_use]
pub fn dated(folder: &str, user: UserId) -> String {
    format!("{folder}users/{user}/{ARCHIVE}")
}

/// What an object is, by what follows the user's prefix.
#[must_use]
pub fn role(tail: &str) -> Role {
    match tail {
        ARCHIVE => Role::Archive,
        PREVIOUS => Role::PreviousArchive,
        SECRETS => Role::Secrets,
        LAST_SYNC | ".registered" => Role::Note,
        _ if tail.starts_with("openclaw/openclaw.json.history") => Role::Note,
        _ => Role::File,
    }
}

/// Which dated folders are looked at, newest first: their names sort by time.
#[must_use]
pub fn dates_looked_at(folders: &[String]) -> Vec<String> {
    let mut folders: Vec<&String> = folders.iter().filter(|folder| is_dated(folder)).collect();
    folders.sort_unstable();
    folders.reverse();
    let mut days = BTreeSet::new();
    let chosen = folders.into_iter().enumerate().filter(|(number, folder)| {
        let day = folder.get(DATED.len()..DATED.len() + 10).unwrap_or_default();
        days.insert(day.to_owned()) || *number < NEWEST_DATED
    });
    chosen.map(|(_, folder)| folder.clone()).take(MOST_DATED).collect()
}

/// `backups/2026-11-21/` or `backups/2026-11-21-14-40/`.
fn is_dated(folder: &str) -> bool {
    let name = folder.strip_prefix(DATED).and_then(|rest| rest.strip_suffix('/'));
    name.is_some_and(|name| {
        matches!(name.len(), 10 | 16)
            && name.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 | 10 | 13 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
    })
}

/// Whether a sandbox may read the object of this key for its user: his files and archives, and never his secrets.
#[must_use]
pub fn may_be_read(key: &str, user: UserId) -> bool {
    if let Some(tail) = key.strip_prefix(&prefix(user)) {
        return matches!(role(tail), Role::Archive | Role::PreviousArchive | Role::File) && !tail.is_empty();
    }
    key.strip_suffix(&format!("users/{user}/{ARCHIVE}"))
        .is_some_and(is_dated)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ADA: &str = "0b0f3c1e-5a52-4c54-9d3f-6a5f0e1d2c3b";
    const BEN: &str = "1b0f3c1e-5a52-4c54-9d3f-6a5f0e1d2c3b";

    fn user(id: &str) -> UserId {
        UserId::parse(id).unwrap()
    }

    #[test]
    fn only_ones_own_and_never_secrets() {
        let ada = user(ADA);
        for key in [
            archive(ada),
            previous(ada),
            dated("backups/2026-11-21-14-40/", ada),
            dated("backups/2026-11-21/", ada),
            format!("users/{ADA}/root/x"),
        ] {
            assert!(may_be_read(&key, ada), "{key}");
            assert!(!may_be_read(&key, user(BEN)), "{key}");
        }
        for key in [
            secrets(ada),
            last_sync(ada),
            prefix(ada),
            format!("users/{ADA}"),
            format!("backups/../users/{ADA}/backup.tar.gz"),
            format!("backups/2026-11-21/users/{ADA}/secrets.json"),
            format!("backups/2026-11-21/x/users/{ADA}/backup.tar.gz"),
            format!("snapshots/users/{ADA}/backup.tar.gz"),
            format!("backups/users/{ADA}/backup.tar.gz"),
        ] {
            assert!(!may_be_read(&key, ada), "{key}");
        }
    }

    #[test]
    fn the_newest_copies_and_one_of_each_day() {
        let mut folders: Vec<String> = (0..72)
            .map(|slot| format!("backups/2026-11-21-{:02}-{:02}/", slot / 3, slot % 3 * 20))
            .collect();
        folders.extend((10..20).map(|day| format!("backups/2026-11-{day}/")));
        folders.extend([
            "backups/.last-rolling-backup".into(),
            "backups/x/".into(),
            "backups/2026-1-1/".into(),
        ]);
        let looked = dates_looked_at(&folders);
        assert_eq!(looked.first().unwrap(), "backups/2026-11-21-23-40/");
        assert_eq!(looked.len(), 26, "{looked:?}");
        assert_eq!(looked.last().unwrap(), "backups/2026-11-10/");
        assert!(looked.is_sorted_by(|one, next| one > next));
    }

    proptest! {
        #[test]
        fn no_key_of_another_user_is_read(tail in "[a-z./-]{0,40}", dated in any::<bool>()) {
            let key = if dated { format!("backups/{tail}users/{BEN}/backup.tar.gz") } else { format!("users/{BEN}/{tail}") };
            prop_assert!(!may_be_read(&key, user(ADA)));
        }
    }
}
