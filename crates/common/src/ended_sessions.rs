//! What the last doors before an agent remember of sessions that were ended: the `Sandbox` object and the supervisor.
//!
//! Routers refuse an ended session too, and for as long as its tokens live; this covers the seconds until the last router knows, and requests
//! that were admitted before and waited.

use crate::control::SessionEnd;
use crate::problem::Problem;
use crate::time::Millis;
use crate::trust::{AGEING_MS, SessionRef};
use std::collections::VecDeque;

/// Sessions that are remembered, the newest of them.
const MOST: usize = 1_000;
/// After all sessions of an owner were ended, new ones are refused for this long: a router may have admitted one by a snapshot of this age, and
/// the request was on its way for a second. Later ones are of an owner who was let in again.
pub const CLOSED_MS: u64 = AGEING_MS + 1_000;

/// Ended sessions of one owner.
#[derive(Debug, Default)]
pub struct EndedSessions {
    ended: VecDeque<(SessionRef, SessionEnd)>,
    closed: Option<(Millis, SessionEnd)>,
}

impl EndedSessions {
    /// One session, or all of them, ended at `now`. One that expired may be resumed with a renewed token, so it is not remembered.
    pub fn end(&mut self, session: Option<&SessionRef>, reason: SessionEnd, now: Millis) {
        if reason == SessionEnd::Expired {
            return;
        }
        let Some(session) = session else {
            self.closed = Some((now, reason));
            return;
        };
        self.ended.retain(|(ended, _)| ended != session);
        if self.ended.len() >= MOST {
            self.ended.pop_front();
        }
        self.ended.push_back((session.clone(), reason));
    }

    /// Why a request of this session, which arrived at `arrived`, is refused; `None` when it is not.
    #[must_use]
    pub fn refuses(&self, session: Option<&SessionRef>, arrived: Millis) -> Option<SessionEnd> {
        let closed = self.closed.filter(|(at, _)| arrived < at.plus(CLOSED_MS));
        closed.map(|(_, reason)| reason).or_else(|| {
            let ended = self.ended.iter().find(|(ended, _)| Some(ended) == session);
            ended.map(|(_, reason)| *reason)
        })
    }
}

impl From<SessionEnd> for Problem {
    fn from(reason: SessionEnd) -> Self {
        match reason {
            SessionEnd::Suspended => Self::new(403, "user_suspended", "This account is suspended. Ask your operator."),
            SessionEnd::Expired | SessionEnd::SignedOut => {
                Self::new(401, "session_ended", "This session has ended. Sign in again.")
                    .labelled("Authentication required")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CLOSED_MS, EndedSessions, MOST};
    use crate::control::SessionEnd;
    use crate::time::Millis;
    use crate::trust::SessionRef;

    const NOW: Millis = Millis(1_800_000_000_000);

    fn session(number: usize) -> Option<SessionRef> {
        SessionRef::parse(&format!("s{number:032x}"))
    }

    #[test]
    fn an_ended_session_is_refused_whenever_its_request_came() {
        let mut ended = EndedSessions::default();
        ended.end(session(1).as_ref(), SessionEnd::SignedOut, NOW);
        for arrived in [Millis(0), NOW, NOW.plus(CLOSED_MS * 100)] {
            assert_eq!(ended.refuses(session(1).as_ref(), arrived), Some(SessionEnd::SignedOut));
            assert_eq!(ended.refuses(session(2).as_ref(), arrived), None);
            assert_eq!(ended.refuses(None, arrived), None);
        }
    }

    #[test]
    fn all_sessions_are_refused_until_routers_know() {
        let mut ended = EndedSessions::default();
        ended.end(None, SessionEnd::Suspended, NOW);
        for session in [None, session(1)] {
            for arrived in [NOW, Millis(0), NOW.plus(CLOSED_MS - 1)] {
                assert_eq!(ended.refuses(session.as_ref(), arrived), Some(SessionEnd::Suspended));
            }
            assert_eq!(
                ended.refuses(session.as_ref(), NOW.plus(CLOSED_MS)),
                None,
                "let in again"
            );
        }
    }

    #[test]
    fn an_expired_session_may_be_resumed() {
        let mut ended = EndedSessions::default();
        ended.end(session(1).as_ref(), SessionEnd::Expired, NOW);
        ended.end(None, SessionEnd::Expired, NOW);
        assert_eq!(ended.refuses(session(1).as_ref(), NOW), None);
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_goes_first() {
        let mut ended = EndedSessions::default();
        for number in 0..=MOST {
            ended.end(session(number).as_ref(), SessionEnd::SignedOut, NOW);
            ended.end(session(number).as_ref(), SessionEnd::SignedOut, NOW);
        }
        assert_eq!(ended.ended.len(), MOST);
        assert_eq!(ended.refuses(session(0).as_ref(), NOW), None);
        assert!(ended.refuses(session(1).as_ref(), NOW).is_some());
        assert!(ended.refuses(session(MOST).as_ref(), NOW).is_some());
    }
}
