//! Which version is where: what a sandbox's object knows of the configuration on the disk, and of what is to get there.

use super::Origin;
use crate::control::config::HandedView;
use crate::time::Millis;
use serde::{Deserialize, Serialize};

/// See the module. Versions are numbers in the object's history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Standing {
    /// The disk holds this one, as far as was seen.
    pub live: Option<u64>,
    /// This one is to get there; the last one that was asked for.
    pub staged: Option<u64>,
    /// What the start under way, or the newest one, was given.
    pub handed: Option<Handed>,
    /// What the agent would not take last.
    pub refused: Option<Refusal>,
    /// A start takes what it finds on the disk, until that was noted: an older point was restored on purpose.
    pub follow_disk: bool,
    /// A change that the running agent was asked for and has not answered.
    pub unanswered: Option<Unanswered>,
}

/// A change of which nobody knows yet whether the agent has taken it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unanswered {
    /// Hash of the document that it makes.
    pub hash: String,
    /// Who asked for it.
    pub author: String,
    /// In which request.
    pub request_id: String,
    /// Why.
    pub reason: Option<String>,
    /// What kind of change.
    pub source: Origin,
    /// Its id, where it has one.
    pub edit_id: Option<String>,
}

/// What a start was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// Its id ([`Standing::hand_over`]).
    pub id: String,
    /// Which version.
    pub version: u64,
    /// The answer was noted.
    pub settled: bool,
    /// It was to take what it found on the disk ([`Standing::follow_disk`]).
    #[serde(default)]
    pub follows_disk: bool,
}

/// A version that the agent would not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Which.
    pub version: u64,
    /// When.
    pub at: Millis,
    /// Why, in the agent's words.
    pub error: String,
}

impl Standing {
    /// The version that counts: what is to get there, else what is there.
    #[must_use]
    pub fn current(&self) -> Option<u64> {
        self.staged.or(self.live)
    }

    /// A version was asked for that cannot be put there now.
    pub fn stage(&mut self, version: u64) {
        self.staged = Some(version);
        self.refused = None;
    }

    /// An older point is restored on purpose: the starts from the next one on take what they find on the disk.
    pub fn follow_next(&mut self) {
        self.follow_disk = true;
        // What is on the disk now is not that.
        if let Some(handed) = &mut self.handed {
            handed.follows_disk = false;
        }
    }

    /// Whether the start that is on took what it found on the disk, and that was not noted yet.
    #[must_use]
    pub fn follows(&self) -> bool {
        let took = |handed: &Handed| handed.follows_disk && handed.settled;
        self.follow_disk && self.handed.as_ref().is_some_and(took)
    }

    /// Whether the start that is on has put this version on the disk, alone or merged with what was there.
    #[must_use]
    pub fn was_given(&self, version: u64) -> bool {
        let gave = |handed: &Handed| handed.version == version && handed.settled;
        self.handed.as_ref().is_some_and(gave)
    }

    /// A document was seen on the disk of the running sandbox: the one that is known to be there (`live`), or the one that is `staged`. Whether it is to
    /// become a version of its own.
    pub fn look(&mut self, live: bool, staged: bool) -> bool {
        let given = self.staged.is_some_and(|version| self.was_given(version));
        match self.staged {
            _ if live => self.noted(),
            Some(version) if staged => self.applied(version),
            // What puts it there merges it with this document, and notes both.
            Some(_) if !given => return false,
            _ => {}
        }
        // It is in the document, as far as nobody has changed that since.
        if given {
            self.staged = None;
        }
        !live && !staged
    }

    /// The change that made the document of this hash, which was seen on the disk, if it is the unanswered one. Another document makes it void.
    pub fn answered_by(&mut self, hash: &str) -> Option<Unanswered> {
        self.unanswered.take().filter(|change| change.hash == hash)
    }

    /// What is on the disk is known.
    fn noted(&mut self) {
        if self.follows() {
            self.follow_disk = false;
        }
    }

    /// The disk holds this version.
    pub fn seen(&mut self, version: u64) {
        self.live = Some(version);
        self.noted();
    }

    /// It was put there on request: what was staged before is in it or was given up.
    pub fn applied(&mut self, version: u64) {
        self.seen(version);
        self.staged = None;
        self.refused = None;
    }

    /// The agent would not take what was staged: what is on the disk counts.
    pub fn refuse(&mut self, version: u64, error: &str, at: Millis) {
        if self.staged == Some(version) {
            self.staged = None;
        }
        let error = error.to_owned();
        self.refused = Some(Refusal { version, at, error });
    }

    /// Notes what a start of this generation is given; the same again for the same.
    pub fn hand_over(&mut self, generation: u64) -> Option<Handed> {
        let version = self.current()?;
        let id = format!("{generation}-{version}");
        if self.handed.as_ref().is_none_or(|handed| handed.id != id) {
            self.handed = Some(Handed {
                id,
                version,
                settled: false,
                follows_disk: self.follow_disk,
            });
        }
        self.handed.clone()
    }

    /// Takes what became of it; `there`: the disk holds exactly what was given. Answers what it was, once.
    ///
    /// Where the disk holds something else, that is noted when the agent runs. Until then the start may fail and its disk be gone: the next one is given
    /// the same.
    pub fn settle(&mut self, told: &HandedView, there: bool, at: Millis) -> Option<u64> {
        let handed = self.handed.as_mut()?;
        if handed.settled || handed.id != told.id || !told.done {
            return None;
        }
        handed.settled = true;
        let version = handed.version;
        match &told.refused {
            Some(error) => self.refuse(version, error, at),
            // With secrets that are not there it would be refused if it were put there again.
            None if (there || !told.missing.is_empty()) && self.staged == Some(version) => self.staged = None,
            None => {}
        }
        if there {
            self.seen(version);
        }
        Some(version)
    }
}

/// How a document that was found on the disk got there, as far as can be told.
#[must_use]
pub const fn origin(first: bool, follow_disk: bool) -> Origin {
    if first || follow_disk {
        Origin::Import
    } else {
        Origin::Agent
    }
}

#[cfg(test)]
mod tests {
    use super::{Origin, Standing, Unanswered, origin};
    use crate::control::config::HandedView;
    use crate::time::Millis;

    const NOW: Millis = Millis(5);

    fn told(id: &str, refused: Option<&str>) -> HandedView {
        HandedView {
            id: id.into(),
            done: true,
            refused: refused.map(str::to_owned),
            missing: vec![],
        }
    }

    #[test]
    fn what_is_staged_counts_until_it_is_there() {
        let mut standing = Standing::default();
        assert_eq!((standing.current(), standing.hand_over(1)), (None, None));
        standing.seen(3);
        standing.stage(4);
        assert_eq!((standing.current(), standing.live), (Some(4), Some(3)));
        let handed = standing.hand_over(7).unwrap();
        assert_eq!((handed.id.as_str(), handed.version), ("7-4", 4));
        assert_eq!(standing.settle(&told("6-4", None), true, NOW), None, "of another start");
        assert_eq!(standing.settle(&told("7-4", None), true, NOW), Some(4));
        assert_eq!(standing.settle(&told("7-4", None), true, NOW), None, "once");
        assert_eq!((standing.current(), standing.staged), (Some(4), None));
    }

    #[test]
    fn what_the_agent_refuses_gives_way_to_what_is_there() {
        let mut standing = Standing::default();
        standing.seen(1);
        standing.stage(2);
        standing.hand_over(3);
        assert_eq!(standing.settle(&told("3-2", Some("no such key")), false, NOW), Some(2));
        assert_eq!((standing.current(), standing.live), (Some(1), Some(1)));
        assert_eq!(standing.refused.as_ref().map(|refused| refused.version), Some(2));
        standing.stage(3);
        assert_eq!(standing.refused, None);
    }

    #[test]
    fn what_was_asked_for_while_it_was_handed_over_stays_staged() {
        let mut standing = Standing::default();
        standing.stage(1);
        standing.hand_over(2);
        standing.stage(5);
        assert_eq!(standing.settle(&told("2-1", Some("bad")), false, NOW), Some(1));
        assert_eq!(standing.staged, Some(5));
    }

    #[test]
    fn what_was_merged_is_given_again_until_it_is_noted() {
        let mut standing = Standing::default();
        standing.seen(1);
        standing.stage(2);
        for generation in [3, 4] {
            standing.hand_over(generation);
            assert!(!standing.was_given(2), "nobody knows yet");
            standing.settle(&told(&format!("{generation}-2"), None), false, NOW);
            assert_eq!((standing.live, standing.staged), (Some(1), Some(2)));
            assert!(standing.was_given(2));
        }
        // The agent runs: with it in a document of the user's, or with what was there before.
        let mut reverted = standing.clone();
        assert!(standing.look(false, false) && !reverted.look(true, false));
        assert_eq!((standing.staged, reverted.staged), (None, None));
        // With secrets that are not on the disk it is all that can be had of it.
        standing.stage(5);
        standing.hand_over(6);
        let view = HandedView {
            missing: vec!["a.token".into()],
            ..told("6-5", None)
        };
        standing.settle(&view, false, NOW);
        assert_eq!(standing.staged, None);
    }

    #[test]
    fn what_the_start_was_not_given_waits_for_its_merge() {
        let mut standing = Standing::default();
        standing.seen(1);
        standing.hand_over(2);
        standing.settle(&told("2-1", None), false, NOW);
        standing.stage(3);
        let before = standing.clone();
        assert!(!standing.look(false, false) && !standing.look(true, false));
        assert_eq!(standing, before);
        assert!(!standing.look(false, true));
        assert_eq!((standing.live, standing.staged), (Some(3), None));
    }

    #[test]
    fn a_restored_disk_is_followed_until_it_is_noted() {
        let mut standing = Standing::default();
        standing.seen(9);
        standing.hand_over(1);
        standing.settle(&told("1-9", None), true, NOW);
        standing.follow_next();
        // The sandbox still runs with the disk of before.
        assert!(!standing.look(true, false));
        assert_eq!((standing.follow_disk, standing.follows()), (true, false));
        for generation in [2, 3] {
            standing.hand_over(generation);
            standing.settle(&told(&format!("{generation}-9"), None), false, NOW);
            assert!(standing.follow_disk && standing.follows(), "that start may fail");
        }
        let mut restored_again = standing.clone();
        restored_again.follow_next();
        for version in [9, 10] {
            let mut noted = standing.clone();
            assert_eq!(noted.look(version == 9, false), version == 10);
            noted.seen(version);
            assert!(!noted.follow_disk && !noted.follows());
            restored_again.seen(version);
            assert!(restored_again.follow_disk, "of another restore");
        }
    }

    #[test]
    fn a_change_whose_answer_was_lost_is_told_by_its_document() {
        let mut standing = Standing {
            unanswered: Some(Unanswered {
                hash: "h".into(),
                author: "key".into(),
                request_id: "r".into(),
                reason: None,
                source: Origin::Api,
                edit_id: Some("job.1".into()),
            }),
            ..Standing::default()
        };
        let text = serde_json::to_string(&standing).unwrap();
        assert_eq!(serde_json::from_str::<Standing>(&text).unwrap(), standing);
        let mut other = standing.clone();
        assert_eq!((other.answered_by("x"), other.answered_by("h")), (None, None));
        assert_eq!(
            standing.answered_by("h").map(|change| change.author),
            Some("key".into())
        );
        assert_eq!(standing.unanswered, None, "once");
    }

    #[test]
    fn the_first_look_imports() {
        assert_eq!(origin(true, false), Origin::Import);
        assert_eq!(origin(false, true), Origin::Import);
        assert_eq!(origin(false, false), Origin::Agent);
    }
}
