//! JSON of callers and of supervisors: what is accepted keeps every limit, and says the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use molt_common::api::{EXEC_TIMEOUT_MAX_MS, ExecRequest, OUTPUT_MAX_BYTES};
use molt_common::control::{ControlError, ExecReport, ExecStart, SupervisorStatus};
use molt_common::id::{ExecId, SandboxId, UserId};
use serde_json::Value;

fn assert_limits(start: &ExecStart) {
    assert!(start.command.is_some() != start.argv.is_some());
    let argv = start.argv.iter().flatten();
    let texts = start
        .command
        .iter()
        .chain(argv)
        .chain(&start.cwd)
        .chain(start.env.values());
    assert!(
        texts
            .into_iter()
            .all(|text| !text.contains('\0') && text.len() <= 128 * 1024)
    );
    assert!(start.command.as_ref().is_none_or(|command| !command.trim().is_empty()));
    assert!(
        start
            .argv
            .as_ref()
            .is_none_or(|argv| argv.first().is_some_and(|program| !program.is_empty()))
    );
    assert!(start.cwd.as_ref().is_none_or(|cwd| cwd.starts_with('/')));
    assert!(
        start
            .env
            .keys()
            .all(|name| !name.is_empty() && !name.contains(['=', '\0']) && !name.starts_with("MOLT_"))
    );
    assert!((1..=EXEC_TIMEOUT_MAX_MS).contains(&start.timeout_ms));
    assert!((1..=OUTPUT_MAX_BYTES).contains(&start.max_output_bytes));
}

fuzz_target!(|data: &[u8]| {
    let id = ExecId::parse("exec_1_0").expect("an id");
    if let Ok(request) = serde_json::from_slice::<ExecRequest>(data) {
        let _ = (request.shown(), request.fingerprint());
        match request.checked(&id) {
            Ok(start) => {
                assert_limits(&start);
                let written = serde_json::to_vec(&start).expect("JSON");
                assert_eq!(serde_json::from_slice::<ExecStart>(&written).expect("the same"), start);
            }
            Err(problem) => assert!(problem.status == 400 && problem.field.is_some(), "{problem:?}"),
        }
    }
    macro_rules! survives {
        ($($kind:ty),*) => {$(
            if let Ok(read) = serde_json::from_slice::<$kind>(data) {
                let written = serde_json::to_value(&read).expect("JSON");
                assert_eq!(serde_json::from_value::<$kind>(written).expect("the same"), read);
            }
        )*};
    }
    survives!(ExecStart, ExecReport, SupervisorStatus, ControlError);
    let text = String::from_utf8_lossy(data);
    if let Ok(wait) = sandboxd::parsers::wait(Some(&text)) {
        assert!(wait.as_millis() <= 10_000);
    }
    if let Ok(id) = ExecId::parse(&text) {
        assert!(id.as_str() == text && !text.contains(['/', '.', '%']));
    }
    if let Ok(user) = UserId::parse(&text) {
        assert_eq!(user.to_string(), text.to_ascii_lowercase());
        let sandbox = SandboxId::personal(user);
        assert!(sandbox.as_str().len() == 36 && sandbox.as_str().starts_with("sbx_"));
        assert_eq!(serde_json::to_value(user).ok(), Some(Value::String(user.to_string())));
    }
});
