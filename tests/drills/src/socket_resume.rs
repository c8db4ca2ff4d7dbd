//! 100 sockets exchange numbered messages while connections are cut, workers are replaced and the runtime is killed, 20 times; then the agent restarts.

use e2e_tests::{drill, operation_of_sockets as sockets};
use std::process::ExitCode;
use std::time::Duration;

const SOCKETS: usize = 100;
const TIMES: usize = 20;
const RECOVERY: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let flags = ["--var", "container-gateway.SOCKET_RESUME=on"];
    drill::run("socket-resume", &flags, async |stack| {
        let user = stack.new_user().await;
        stack.awake(&user).await;
        let spread = sockets::break_and_resume(stack, &user, SOCKETS, TIMES).await;
        let late = sockets::restart_agent(stack, &user, SOCKETS).await;
        assert!(spread.p99 <= RECOVERY, "recovery took {:?} (p99)", spread.p99);
        assert!(late <= RECOVERY, "{late:?} after the agent was ready");
    })
}
