//! Changes that were asked for while their owner might have a sandbox.

use super::*;
use crate::sandbox::owner::OwnerStanding;

#[test]
fn who_was_suspended_meanwhile_is_not_started() {
    for wanted in [SANDBOX, AGENT, Wanted::Tier { tier: 2 }, Wanted::EmergencyReset] {
        let up = seen(Lifecycle::Running, 1);
        let mut change = accepted(
            &ask("a", wanted.clone()),
            Before::default(),
            &up,
            standing(false, false),
        );
        if wanted == Wanted::EmergencyReset {
            assert_eq!(change.step(&up, T0), Step::Kill);
        }
        assert!(!change.starts(&up, T0), "it runs: {wanted:?}");
        let rests = |owner| Seen {
            owner,
            ..seen(Lifecycle::Stopped, 1)
        };
        assert!(change.starts(&rests(OwnerStanding::LetIn), T0), "{wanted:?}");
        let unknown = change.step(&rests(OwnerStanding::Unknown), T0);
        assert!(matches!(unknown, Step::Wait { until } if until > T0), "{unknown:?}");
        assert_eq!(change.clone().step(&rests(OwnerStanding::LetIn), T0), Step::Need);
        assert_eq!(change.step(&rests(OwnerStanding::ShutOut), T0), Step::Nothing);
        assert_eq!(change.state, JobState::Failed);
        assert!(
            change
                .error
                .as_ref()
                .is_some_and(|error| error.starts_with("user_suspended"))
        );
        assert!(!change.starts(&rests(OwnerStanding::LetIn), T0), "it has ended");
    }
    // What takes it away is no start.
    let up = seen(Lifecycle::Running, 1);
    let mut gone = accepted(
        &ask("a", Wanted::Destroy),
        Before::default(),
        &up,
        standing(false, true),
    );
    let rests = Seen {
        owner: OwnerStanding::ShutOut,
        ..seen(Lifecycle::Stopped, 1)
    };
    assert!(!gone.starts(&rests, T0));
    assert_ne!(gone.step(&rests, T0), Step::Nothing);
}
