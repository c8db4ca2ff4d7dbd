//! Where a file of the old system belongs in a home of ours, and what is not taken over.

use super::config::OLD_HOME;
use super::key::{Role, role};

/// Where something belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The home itself.
    Home,
    /// Below the home, without a slash at either end.
    Below(Vec<u8>),
    /// Nowhere: it is the old system's own.
    LeftOut,
    /// Nowhere: it is hostile, or no file of the user's home.
    Refused(&'static str),
}

/// What a symbolic link becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// A link to this.
    Within(Vec<u8>),
    /// It leads out of the home.
    Out,
}

/// Where a member of an archive belongs. The old system unpacked its archives in `/`, so that they begin with `root/`.
#[must_use]
pub fn member(name: &[u8]) -> Place {
    if name.starts_with(b"/") {
        return Place::Refused("its name is absolute");
    }
    let names = match names(name) {
        Ok(names) => names,
        Err(why) => return Place::Refused(why),
    };
    match names.split_first() {
        None => Place::LeftOut,
        Some((first, [])) if *first == b"root" => Place::Home,
        Some((first, rest)) if *first == b"root" => below(rest),
        Some(_) => Place::Refused("it is outside of the home"),
    }
}

/// Where the object of a single file belongs, by what follows the user's prefix in its key. Three generations of the old system kept the whole home below `root/`, and its
/// agent's state below `openclaw/` and `clawdbot/`; what its files API stored lies beside them.
///
/// The number says which generation: where two have the same file, the smaller one counts.
#[must_use]
pub fn object(tail: &str) -> (u8, Place) {
    if role(tail) != Role::File {
        return (u8::MAX, Place::LeftOut);
    }
    // Folders that a tool for buckets made visible.
    let names = match names(tail.as_bytes()) {
        Ok(_) if tail.ends_with('/') => return (u8::MAX, Place::LeftOut),
        Ok(names) => names,
        Err(why) => return (u8::MAX, Place::Refused(why)),
    };
    match names.split_first() {
        None => (u8::MAX, Place::LeftOut),
        Some((first, rest)) if *first == b"root" && !rest.is_empty() => (0, below(rest)),
        Some((first, rest)) if *first == b"openclaw" && !rest.is_empty() => (1, state(rest)),
        Some((first, rest)) if *first == b"clawdbot" && !rest.is_empty() => (
            2,
            match rest {
                // What the agent was called when it wrote this.
                [name] if *name == b"clawdbot.json" => state(&[b"openclaw.json"]),
                rest => state(rest),
            },
        ),
        Some(_) => (3, below(&names)),
    }
}

/// Where a symbolic link at `path` (below the home) to `target` leads now, with the home at `home`.
#[must_use]
pub fn symlink(path: &[u8], target: &[u8], home: &str) -> Leaving {
    let old = OLD_HOME.as_bytes();
    if target.starts_with(b"/") {
        let Some(rest) = target
            .strip_prefix(old)
            .filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
        else {
            return Leaving::Out;
        };
        return if stays(0, rest) {
            Leaving::Within([home.as_bytes(), rest].concat())
        } else {
            Leaving::Out
        };
    }
    let depth = path.split(|byte| *byte == b'/').count() - 1;
    if stays(depth, target) {
        Leaving::Within(target.to_vec())
    } else {
        Leaving::Out
    }
}

/// Whether a path never leaves the folder so many levels above it.
fn stays(depth: usize, path: &[u8]) -> bool {
    let mut depth = depth;
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if depth == 0 => return false,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

fn names(path: &[u8]) -> Result<Vec<&[u8]>, &'static str> {
    let mut names = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => return Err("its name leads upwards"),
            name if name.contains(&0) => return Err("its name has a NUL"),
            name if name.len() > 255 => return Err("a part of its name is longer than a disk takes"),
            name => names.push(name),
        }
    }
    Ok(names)
}

fn state(names: &[&[u8]]) -> Place {
    let mut whole: Vec<&[u8]> = vec![b".openclaw"];
    whole.extend(names);
    below(&whole)
}

fn below(names: &[&[u8]]) -> Place {
    if left_out(names) {
        return Place::LeftOut;
    }
    Place::Below(names.join(&b"/"[..]))
}

/// What the old system put there for itself: the mark of its restore, its image's templates, and locks, which name processes that are long gone.
fn left_out(names: &[&[u8]]) -> bool {
    match names {
        [first, ..] if *first == b".openclaw-templates" => true,
        [first, second] if *first == b".openclaw" && *second == b".restore-time" => true,
        [first, .., last] if *first == b".openclaw" || *first == b".clawdbot" => {
            last.ends_with(b".jsonl.lock") || (last.starts_with(b"gateway") && last.ends_with(b".lock"))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(path: &str) -> Place {
        Place::Below(path.as_bytes().to_vec())
    }

    #[test]
    fn members_of_an_archive() {
        assert_eq!(member(b"root/"), Place::Home);
        assert_eq!(member(b"./root"), Place::Home);
        assert_eq!(member(b"./"), Place::LeftOut);
        assert_eq!(member(b"root/.openclaw/openclaw.json"), at(".openclaw/openclaw.json"));
        assert_eq!(member(b"root//openclaw/./a b\n"), at("openclaw/a b\n"));
        assert_eq!(member(b"root/.openclaw/.restore-time"), Place::LeftOut);
        assert_eq!(member(b"root/.openclaw/gateway.lock"), Place::LeftOut);
        assert_eq!(member(b"root/.openclaw/tmp/openclaw-0/gateway.1.lock"), Place::LeftOut);
        assert_eq!(member(b"root/work/Cargo.lock"), at("work/Cargo.lock"));
        assert_eq!(member(b"root/.openclaw-templates/x"), Place::LeftOut);
        for name in [
            &b"/root/x"[..],
            b"../root/x",
            b"root/../etc/passwd",
            b"etc/passwd",
            b"rooted/x",
            b"root/a\0b",
            &[b"root/".as_slice(), &[b'a'; 256]].concat(),
        ] {
            assert!(
                matches!(member(name), Place::Refused(_)),
                "{}",
                String::from_utf8_lossy(name)
            );
        }
    }

    #[test]
    fn objects_of_single_files() {
        assert_eq!(
            object("root/.openclaw/openclaw.json"),
            (0, at(".openclaw/openclaw.json"))
        );
        assert_eq!(object("openclaw/openclaw.json"), (1, at(".openclaw/openclaw.json")));
        assert_eq!(object("clawdbot/clawdbot.json"), (2, at(".openclaw/openclaw.json")));
        assert_eq!(
            object("clawdbot/devices/paired.json"),
            (2, at(".openclaw/devices/paired.json"))
        );
        assert_eq!(object("notes/today.md"), (3, at("notes/today.md")));
        assert_eq!(object("root"), (3, at("root")));
        for own in [
            "backup.tar.gz",
            "secrets.json",
            ".last-sync",
            ".registered",
            "openclaw/openclaw.json.history/1",
            "root/x/",
            "",
        ] {
            assert_eq!(object(own).1, Place::LeftOut, "{own}");
        }
        assert!(matches!(object("root/../x").1, Place::Refused(_)));
    }

    #[test]
    fn links_stay_within_the_home() {
        let to = |text: &str| Leaving::Within(text.as_bytes().to_vec());
        assert_eq!(symlink(b"a/b", b"../c", "/home/agent"), to("../c"));
        assert_eq!(symlink(b"a/b", b"/root/c", "/home/agent"), to("/home/agent/c"));
        assert_eq!(symlink(b"a", b"/root", "/home/agent"), to("/home/agent"));
        for (path, target) in [
            ("a", ".."),
            ("a/b", "../../x"),
            ("a", "/etc/passwd"),
            ("a", "/rooted"),
            ("a", "/root/../etc"),
            ("a", "x/../../y"),
        ] {
            assert_eq!(
                symlink(path.as_bytes(), target.as_bytes(), "/home/agent"),
                Leaving::Out,
                "{path} {target}"
            );
        }
    }

    proptest! {
        /// Whatever an archive says, a place is a relative path that leads nowhere up, and reads back as what it was.
        #[test]
        fn no_place_is_outside_of_the_home(name in prop::collection::vec(prop_oneof![Just(b'/'), Just(b'.'), Just(b'a'), Just(0u8), any::<u8>()], 0..40)) {
            for place in [member(&[b"root/".as_slice(), &name].concat()), member(&name)] {
                if let Place::Below(path) = place {
                    prop_assert!(!path.is_empty() && !path.starts_with(b"/") && !path.ends_with(b"/"));
                    prop_assert!(path.split(|byte| *byte == b'/').all(|name| !name.is_empty() && name != b"." && name != b".." && !name.contains(&0)));
                    prop_assert_eq!(member(&[b"root/".as_slice(), &path].concat()), Place::Below(path));
                }
            }
        }

        #[test]
        fn no_link_leads_out(depth in 0usize..4, target in "(/root)?(/|\\.\\.|a|\\.){0,12}") {
            let path = vec!["d"; depth + 1].join("/");
            if let Leaving::Within(target) = symlink(path.as_bytes(), target.as_bytes(), "/h") {
                let text = String::from_utf8(target).unwrap();
                let mut at: Vec<&str> = if text.starts_with('/') { vec![] } else { vec!["h"].into_iter().chain(vec!["d"; depth]).collect() };
                for name in text.split('/') {
                    match name {
                        "" | "." => {}
                        ".." => { at.pop(); prop_assert!(at.first() == Some(&"h"), "{}", text); }
                        name => at.push(name),
                    }
                }
                prop_assert!(at.first() == Some(&"h"), "{}", text);
            }
        }
    }
}
