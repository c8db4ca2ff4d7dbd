//! What the agent says about its own work and schedule, as the pinned release words it. Pure.

use serde_json::Value;

/// Jobs that the agent gives itself to look after its own house, by the start of their `declarationKey`. They run while the sandbox is awake, and none is
/// worth waking it: nobody waits for them, and the first would wake every sandbox each half hour.
const HOUSEKEEPING: [&str; 3] = ["heartbeat:", "memory-core:", "skill-collection-review:"];

/// Whether anything is under way, from the answer to `gateway.restart.preflight`. `None` when it says something else than it is known to say.
pub fn is_working(preflight: &Value) -> Option<bool> {
    preflight["counts"]["totalActive"].as_u64().map(|active| active > 0)
}

/// Whether more is under way than requests. Those of a client are seen on their way in; what is left are tasks that the agent gives itself while it is idle
/// (`startup:…`, `idle-task`), which come and go for as long as it runs.
pub fn is_more_than_requests(preflight: &Value) -> bool {
    let counts = preflight["counts"].as_object();
    counts.is_none_or(|counts| {
        let mut others = counts
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "rootRequests" | "totalActive"));
        others.any(|(_, count)| count.as_u64() != Some(0))
    })
}

/// Whether the scheduler has anything to wait for, from the answer to `cron.status`.
pub fn has_schedule(status: &Value) -> bool {
    status["enabled"] != false && status["nextWakeAtMs"].is_number()
}

/// When the first of the listed jobs is due that was asked for, in epoch milliseconds, from an answer to `cron.list`.
pub fn next_wanted(list: &Value) -> Option<u64> {
    let jobs = list["jobs"].as_array().into_iter().flatten();
    jobs.filter(|job| job["enabled"] != false && !is_housekeeping(job))
        .filter_map(|job| {
            let next = [&job["nextRunAtMs"], &job["state"]["nextRunAtMs"]];
            next.into_iter().find_map(Value::as_u64)
        })
        .min()
}

/// Whether all that is under way is a job by which the agent looks after its own house, from the answers to `gateway.restart.preflight` and to `cron.list`
/// with the jobs' states. Anything that may be more is more.
pub fn only_housekeeping(preflight: &Value, list: &Value) -> bool {
    let jobs = list["jobs"].as_array().into_iter().flatten();
    let running: Vec<&Value> = jobs.filter(|job| job["state"]["runningAtMs"].is_number()).collect();
    let count = |name: &str| preflight["counts"][name].as_u64().unwrap_or(u64::MAX);
    !running.is_empty()
        && running.iter().all(|job| is_housekeeping(job))
        && count("embeddedRuns") <= running.len() as u64
        && count("backgroundExecSessions") == 0
}

fn is_housekeeping(job: &Value) -> bool {
    let key = job["declarationKey"].as_str().unwrap_or_default();
    HOUSEKEEPING.iter().any(|start| key.starts_with(start))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_job_that_somebody_asked_for_counts() {
        let list = json!({ "jobs": [
            { "declarationKey": "heartbeat:main", "enabled": true, "nextRunAtMs": 10 },
            { "name": "off", "enabled": false, "nextRunAtMs": 20 },
            { "name": "on an event", "enabled": true, "nextRunAtMs": null },
            { "name": "mine", "enabled": true, "nextRunAtMs": 40 },
            { "name": "older wording", "state": { "nextRunAtMs": 30 } },
        ] });
        assert_eq!(next_wanted(&list), Some(30));
        assert_eq!(next_wanted(&json!({ "jobs": [] })), None);
        assert_eq!(next_wanted(&json!("nonsense")), None);
    }

    #[test]
    fn a_scheduler_that_is_off_or_empty_waits_for_nothing() {
        assert!(has_schedule(&json!({ "enabled": true, "nextWakeAtMs": 5 })));
        assert!(!has_schedule(&json!({ "enabled": true, "nextWakeAtMs": null })));
        assert!(!has_schedule(&json!({ "enabled": false, "nextWakeAtMs": 5 })));
    }

    #[test]
    fn work_is_what_the_agent_counts() {
        assert_eq!(is_working(&json!({ "counts": { "totalActive": 0 } })), Some(false));
        assert_eq!(is_working(&json!({ "counts": { "totalActive": 2 } })), Some(true));
        assert_eq!(is_working(&json!({ "safe": true })), None, "not known is not idle");
    }

    #[test]
    fn tasks_of_an_idle_agent_are_no_work_for_somebody() {
        let more = |counts: Value| is_more_than_requests(&json!({ "counts": counts }));
        assert!(!more(json!({ "rootRequests": 1, "totalActive": 1, "embeddedRuns": 0 })));
        assert!(more(json!({ "rootRequests": 1, "totalActive": 2, "embeddedRuns": 1 })));
        assert!(more(json!({ "somethingNew": 1 })));
        assert!(is_more_than_requests(&json!({})), "not known");
    }

    #[test]
    fn a_heartbeat_is_told_from_a_job_and_from_a_talk_beside_it() {
        let job = |key: &str, at: Value| json!({ "declarationKey": key, "state": { "runningAtMs": at } });
        let list = |jobs: Value| json!({ "jobs": jobs });
        let counts = |embedded: u64, commands: u64| json!({ "counts": { "embeddedRuns": embedded, "backgroundExecSessions": commands } });
        let heartbeat = list(json!([job("heartbeat:main", json!(1)), job("mine", json!(null))]));
        assert!(only_housekeeping(&counts(1, 0), &heartbeat));
        assert!(!only_housekeeping(&counts(2, 0), &heartbeat), "a talk");
        assert!(
            !only_housekeeping(&counts(1, 1), &heartbeat),
            "a command of the agent's"
        );
        assert!(!only_housekeeping(&json!({}), &heartbeat), "not known");
        let both = list(json!([job("heartbeat:main", json!(1)), job("mine", json!(1))]));
        assert!(!only_housekeeping(&counts(1, 0), &both));
        assert!(!only_housekeeping(&counts(1, 0), &list(json!([]))));
    }
}
