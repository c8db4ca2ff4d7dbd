//! A watcher that is cut off anywhere and comes back is told every byte once. The drill `exec-stream` does it for longer and among ruins.

use e2e_tests::harness::Group;
use e2e_tests::stack::Stack;
use e2e_tests::watch::{Connection, Watch};
use e2e_tests::written::{self, difference};
use libtest_mimic::Trial;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(100);

pub fn trials(group: &Arc<Group>) -> Vec<Trial> {
    vec![group.shared(
        "resume::a_watcher_that_is_cut_off_is_told_every_byte_once",
        a_watcher_that_is_cut_off_is_told_every_byte_once,
    )]
}

async fn a_watcher_that_is_cut_off_is_told_every_byte_once(stack: Arc<Stack>) {
    let user = stack.new_user().await;
    let written = written::lines(40, "0.1");
    let accepted = stack.submit(&user, &written.body).await;
    let path = user.path(&format!("/exec/{}/output", accepted["execId"].as_str().expect("an id")));
    let mut watch = Watch::default();
    let mut cuts = 0;
    // Odd numbers of bytes, so that the cuts fall into events, characters and lines.
    while watch.end.is_none() {
        match watch.listen(stack.get(&path).admin(), Some(611 + cuts * 97)).await {
            Connection::CutOff => cuts += 1,
            Connection::Ended => {}
            other => panic!("{other:?}: {}", watch.summary()),
        }
    }
    assert!(cuts >= 5, "it was cut off {cuts} times");
    watch.assert_faultless();
    assert_eq!(watch.gap_bytes, 0);
    assert_eq!(difference(&watch.stdout, &written.stdout), None, "standard output");
    assert_eq!(difference(&watch.stderr, &written.stderr), None, "standard error");
    let end = watch.end.clone().unwrap_or_default();
    assert_eq!(
        (&end["state"], &end["exitCode"]),
        (&json!("failed"), &json!(9)),
        "{end}"
    );
    assert_eq!(
        watch.listen(stack.get(&path).admin(), None).await,
        Connection::Answered(204)
    );
    let mut late = Watch::default();
    late.to_the_end(|| stack.get(&path).admin(), LIMIT).await;
    late.assert_faultless();
    assert_eq!((late.stdout, late.stderr), (watch.stdout, watch.stderr));
}
