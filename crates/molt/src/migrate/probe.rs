//! Real requests that show which path answers, and whether it answers as it should.

use super::wire::{Answer, Credential, Wire};
use molt_common::flag::{Flag, Subject};

/// Which path is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The new workers.
    New,
    /// What ran before.
    Legacy,
    /// Neither: a flag that is off with nothing to fall back to.
    Nothing,
}

/// What an answer shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The path that was meant answered, and rightly.
    Right,
    /// The path that was meant says that it will be there soon.
    NotYet(String),
    /// The router counted too many requests of this caller, before it looked at any flag: nothing is said about either path.
    Limited(String),
    /// Anything else.
    Wrong(String),
}

/// Who asks, and what.
#[derive(Clone)]
pub struct Probe {
    /// The flag whose path it takes.
    pub flag: Flag,
    /// Whom the flag counts.
    pub subject: Option<Subject>,
    /// By whom.
    pub credential: Credential,
    /// Where, below the address of the router.
    pub path: String,
}

impl Probe {
    /// Asks the router at `url` once.
    ///
    /// # Errors
    /// Why there was no answer.
    pub fn ask(&self, wire: &Wire, url: &str) -> Result<Answer, String> {
        wire.get(&format!("{url}{}", self.path), &self.credential)
    }

    /// Asks once and judges: was it answered by `side`, and rightly?
    #[must_use]
    pub fn shows(&self, wire: &Wire, url: &str, side: Side) -> Shown {
        match self.ask(wire, url) {
            Ok(answer) => judge(self.flag, side, &answer),
            Err(error) => Shown::Wrong(error),
        }
    }
}

/// `X-Molt-Backend` of the new path.
#[must_use]
pub const fn new_backend(flag: Flag) -> &'static str {
    match flag {
        Flag::NewAdminApi => "admin",
        Flag::NewContainerGateway => "container-gateway",
    }
}

/// What an answer to a probe shows. The new path must have done what was asked; of the old one, which is not ours to know, it is enough
/// that it answers and does not fail.
#[must_use]
pub fn judge(flag: Flag, side: Side, answer: &Answer) -> Shown {
    let brief = answer.brief();
    if is_limited(answer) {
        return Shown::Limited(brief);
    }
    match side {
        Side::New if answer.backend != new_backend(flag) => Shown::Wrong(brief),
        Side::New if answer.status == 503 && answer.retry_after => Shown::NotYet(brief),
        Side::New if is_right(flag, answer) => Shown::Right,
        Side::Legacy if answer.backend == "legacy" && answer.status < 500 => Shown::Right,
        // The user is being moved.
        Side::Legacy if answer.backend == new_backend(flag) || answer.status == 503 => Shown::NotYet(brief),
        Side::Nothing if answer.backend == "router" && answer.status == 503 => Shown::Right,
        Side::New | Side::Legacy | Side::Nothing => Shown::Wrong(brief),
    }
}

/// Whether the router refused the request for its rate.
#[must_use]
pub fn is_limited(answer: &Answer) -> bool {
    answer.status == 429 && answer.backend == "router"
}

/// Whether somebody else, on whichever side the flag has him, was served.
#[must_use]
pub fn is_served(flag: Flag, answer: &Answer) -> bool {
    match answer.backend.as_str() {
        "legacy" => answer.status < 500,
        backend => backend == new_backend(flag) && is_right(flag, answer),
    }
}

fn is_right(flag: Flag, answer: &Answer) -> bool {
    match flag {
        Flag::NewAdminApi => {
            let list = answer.json();
            answer.status == 200 && list.get("users").is_some_and(serde_json::Value::is_array)
        }
        Flag::NewContainerGateway => (200..300).contains(&answer.status),
    }
}

#[cfg(test)]
mod tests {
    use super::{Shown, Side, is_served, judge};
    use crate::migrate::wire::Answer;
    use molt_common::flag::Flag;

    fn answer(status: u16, backend: &str, body: &str) -> Answer {
        Answer {
            status,
            backend: backend.into(),
            retry_after: status == 503,
            body: body.into(),
        }
    }

    #[test]
    fn the_new_path_must_have_answered_and_rightly() {
        let admin = |answer: &Answer| judge(Flag::NewAdminApi, Side::New, answer);
        let gateway = |answer: &Answer| judge(Flag::NewContainerGateway, Side::New, answer);
        assert_eq!(admin(&answer(200, "admin", r#"{"users": []}"#)), Shown::Right);
        assert_eq!(gateway(&answer(200, "container-gateway", "<html>")), Shown::Right);
        assert!(matches!(
            gateway(&answer(503, "container-gateway", "")),
            Shown::NotYet(_)
        ));
        for wrong in [
            answer(200, "legacy", r#"{"users": []}"#),
            answer(200, "admin", "{}"),
            answer(200, "admin", "an error page"),
            answer(403, "admin", ""),
            answer(200, "", r#"{"users": []}"#),
            answer(503, "router", ""),
        ] {
            assert!(matches!(admin(&wrong), Shown::Wrong(_)), "{wrong:?}");
        }
        for wrong in [
            answer(200, "legacy", ""),
            answer(500, "container-gateway", ""),
            answer(302, "container-gateway", ""),
            answer(403, "container-gateway", ""),
            answer(200, "router", ""),
        ] {
            assert!(matches!(gateway(&wrong), Shown::Wrong(_)), "{wrong:?}");
        }
    }

    #[test]
    fn a_rate_limit_says_nothing_about_a_path() {
        for side in [Side::New, Side::Legacy, Side::Nothing] {
            let limited = judge(Flag::NewContainerGateway, side, &answer(429, "router", ""));
            assert!(matches!(limited, Shown::Limited(_)), "{side:?}: {limited:?}");
        }
        let by_the_new_path = judge(
            Flag::NewContainerGateway,
            Side::New,
            &answer(429, "container-gateway", ""),
        );
        assert!(
            matches!(by_the_new_path, Shown::Wrong(_)),
            "that is not the router's limit"
        );
    }

    #[test]
    fn the_old_path_must_have_answered_itself() {
        let old = |answer: &Answer| judge(Flag::NewContainerGateway, Side::Legacy, answer);
        assert_eq!(old(&answer(401, "legacy", "")), Shown::Right);
        assert!(matches!(old(&answer(500, "legacy", "")), Shown::Wrong(_)));
        assert!(matches!(old(&answer(200, "container-gateway", "")), Shown::NotYet(_)));
        assert!(matches!(old(&answer(503, "router", "")), Shown::NotYet(_)));
        assert!(
            matches!(old(&answer(200, "router", "")), Shown::Wrong(_)),
            "what the router answers itself proves nothing"
        );
    }

    #[test]
    fn an_outage_that_was_allowed_is_one() {
        let off = |answer: &Answer| judge(Flag::NewAdminApi, Side::Nothing, answer);
        assert_eq!(off(&answer(503, "router", "")), Shown::Right);
        assert!(matches!(off(&answer(200, "admin", "")), Shown::Wrong(_)));
    }

    #[test]
    fn others_are_served_by_whoever_has_them() {
        let served = |status, backend| is_served(Flag::NewContainerGateway, &answer(status, backend, ""));
        assert!(served(200, "legacy") && served(404, "legacy") && served(200, "container-gateway"));
        assert!(
            !served(500, "legacy") && !served(503, "container-gateway") && !served(503, "router") && !served(200, "")
        );
    }
}
