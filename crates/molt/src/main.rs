//! `molt`: the operator's command line over the admin API.
//!
//! The address comes from `--url` or `MOLT_URL`, the admin secret or an admin key from `MOLT_ADMIN_SECRET` only: arguments are readable by
//! every process of the machine.
#![forbid(unsafe_code)]

mod audit;
mod bulk;
mod client;
mod console;
mod exec;
mod flags;
mod follow;
mod jobs;
mod keys;
mod lifecycle;
mod migrate;
mod show;
mod users;

use clap::{Parser, Subcommand};
use client::{Client, ClientError};
use molt_common::sandbox_call::Lifecycle;
use std::process::ExitCode;

/// Where `scripts/dev` listens.
const DEFAULT_URL: &str = "http://127.0.0.1:8787";
/// Options of all commands stand below those of one.
const EVERYWHERE: &str = "Options of every command";

/// Operates a Moltworker deployment.
#[derive(Parser)]
#[command(
    version,
    about,
    after_help = "The admin secret, or an admin key (molt_…) in its place, is read from the environment variable MOLT_ADMIN_SECRET.\n\n\
                  Exit codes: 0 done, 2 not done. Besides:\n  \
                  exec, jobs attach      as the command ended, see `molt exec --help`\n  \
                  bulk, jobs watch       1 when not everything succeeded, 130 interrupted\n  \
                  wake, restart, reset, destroy, tier, image  the same\n  \
                  audit verify           1 for a broken chain\n  \
                  migrate                1 when a check failed and it was undone, 2 not begun, 3 when somebody has to look, 130 interrupted"
)]
struct Arguments {
    /// Address of the router, e.g. https://agents.example.com
    #[arg(long, env = "MOLT_URL", global = true, default_value = DEFAULT_URL, help_heading = EVERYWHERE)]
    url: String,
    /// Prints the API's JSON instead of a table.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Asks the router whether it is well.
    Health,
    /// Lists users; suspends, reinstates and invites them.
    Users {
        #[command(subcommand)]
        action: Option<users::Action>,
    },
    /// Lists, makes and revokes admin keys.
    Keys {
        #[command(subcommand)]
        action: keys::Action,
    },
    /// Shows and changes feature flags. Routers obey within seconds.
    Flags {
        #[command(subcommand)]
        action: flags::Action,
    },
    /// Verifies the audit trail.
    Audit {
        #[command(subcommand)]
        action: audit::Action,
    },
    /// Moves a deployment from what ran before to the new workers, and back.
    Migrate {
        #[command(subcommand)]
        action: Box<migrate::Action>,
    },
    /// Shows the stored state of one sandbox, or of all.
    State {
        /// User id or name.
        user: Option<String>,
        /// Asks a running sandbox how it is now, which changes nothing
        #[arg(long, requires = "user")]
        probe: bool,
        /// Only sandboxes that stand there, such as running or failed
        #[arg(long, conflicts_with = "user", value_parser = lifecycle_word)]
        lifecycle: Option<Lifecycle>,
    },
    /// Wakes a user's sandbox and waits until it runs. A running one is left alone.
    Wake(lifecycle::Wake),
    /// Restarts a user's agent, or with `--scope sandbox` the whole sandbox, and waits until it runs again.
    Restart(lifecycle::Restart),
    /// Kills everything in a user's sandbox at once and starts it from nothing, whatever else is under way.
    Reset(lifecycle::Reset),
    /// Stops a user's sandbox at once and discards its disk. Asks first; `--yes` in scripts.
    Destroy(lifecycle::Destroy),
    /// Gives a user's sandbox another tier; a running one is started again with it.
    Tier(lifecycle::Tier),
    /// Shows the image of a user's sandbox, or chooses it; a running one is started again from it.
    Image(lifecycle::Image),
    /// Shows when a user's sandbox may sleep, or says it.
    KeepAlive(lifecycle::KeepAlive),
    /// Runs a command in a user's sandbox, passes on its output while it runs, and ends with its exit code.
    ///
    /// A broken connection is taken up again where it broke. When the reader of the output goes away, or on `detach`, the command goes on;
    /// `molt jobs attach` follows it again.
    #[command(after_help = exec::EXIT_CODES)]
    Exec(Box<exec::Exec>),
    /// Runs a command in the sandboxes of many users, or restarts them.
    Bulk {
        #[command(subcommand)]
        action: bulk::Action,
    },
    /// Lists, follows and cancels what goes on: commands, changes of sandboxes, and work for many users.
    Jobs {
        #[command(subcommand)]
        action: jobs::Action,
    },
}

fn lifecycle_word(text: &str) -> Result<Lifecycle, String> {
    let all = Lifecycle::ALL.map(Lifecycle::word).join(", ");
    Lifecycle::parse(text).ok_or_else(|| format!("must be one of {all}"))
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("molt: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, ClientError> {
    let client = Client::new(&arguments.url)?;
    let json = arguments.json;
    match &arguments.command {
        Command::Health => show::health(&client.get("/health", false)?, json)?,
        Command::Users { action } => users::run(&client, action.as_ref(), json)?,
        Command::Keys { action } => keys::run(&client, action, json)?,
        Command::Flags { action } => flags::run(&client, action, json)?,
        Command::Audit { action } => return audit::run(&client, action, json),
        Command::Migrate { action } => return Ok(migrate::run(action, &arguments.url, json)),
        Command::State {
            user: None, lifecycle, ..
        } => {
            let filter = lifecycle.map(|wanted| format!("?lifecycle={}", wanted.word()));
            let path = format!("/api/super/state/dashboard{}", filter.unwrap_or_default());
            show::state::states(&client.list(&path, "users")?, json)?;
        }
        Command::State {
            user: Some(user),
            probe,
            ..
        } => {
            let id = client.user(user)?;
            let question = if *probe { "?probe=1" } else { "" };
            let state = client.get(&format!("/api/super/users/{id}/state{question}"), true)?;
            show::state::state(&state, json)?;
        }
        Command::Wake(asked) => return lifecycle::wake(&client, asked, json),
        Command::Restart(asked) => return lifecycle::restart(&client, asked, json),
        Command::Reset(asked) => return lifecycle::reset(&client, asked, json),
        Command::Destroy(asked) => return lifecycle::destroy(&client, asked, json),
        Command::Tier(asked) => return lifecycle::tier(&client, asked, json),
        Command::Image(asked) => return lifecycle::image(&client, asked, json),
        Command::KeepAlive(asked) => lifecycle::keep_alive(&client, asked, json)?,
        Command::Exec(exec) => return exec::run(&client, exec, json),
        Command::Bulk { action } => return bulk::run(&client, action, json),
        Command::Jobs { action } => return jobs::run(&client, action, json),
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::Arguments;
    use clap::{CommandFactory, Parser};

    fn parses(line: &str) -> Result<(), String> {
        let words = std::iter::once("molt").chain(line.split(' '));
        Arguments::try_parse_from(words)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn what_follows_a_command_tells_its_exit_codes() {
        for line in ["exec --help", "jobs attach --help"] {
            let help = parses(line).expect_err("help ends it");
            assert!(help.contains("128 + N"), "{line}: {help}");
        }
    }

    #[test]
    fn command_lines_are_read() {
        for line in [
            "users",
            "users --json",
            "users suspend Ada --reason spam",
            "users reinstate Ada --reason appeal",
            "users invite a@example.test",
            "users uninvite a@example.test",
            "users invitations",
            "keys list",
            "keys create --name n --scope fleet:read",
            "keys create --name n --scope fleet:read exec:read --scope * --expires-in 30d",
            "keys revoke 0123456789abcdef",
            "keys bootstrap on",
            "keys bootstrap off --json",
            "flags list --json",
            "flags get USE_NEW_ADMIN_API",
            "flags set USE_NEW_ADMIN_API --percent 5",
            "flags set USE_NEW_ADMIN_API --enabled true --allow a --allow b --deny c --unlist d --reason x --if-version 0",
            "flags set USE_NEW_CONTAINER_GATEWAY --enabled false --allow-outage --discard-disk",
            "flags set USE_NEW_CONTAINER_GATEWAY --discard-disk=false",
            "flags kill USE_NEW_ADMIN_API --allow-outage",
            "flags unkill USE_NEW_ADMIN_API --reason fixed",
            "flags undo USE_NEW_ADMIN_API --if-version 3",
            "flags clear USE_NEW_ADMIN_API",
            "flags history USE_NEW_ADMIN_API",
            "flags evaluate USE_NEW_ADMIN_API bootstrap",
            "flags evaluate USE_NEW_ADMIN_API",
            "audit verify",
            "audit verify --chain exec:Ada",
            "migrate admin-api --local --dry-run",
            "migrate container-gateway --steps 10,100 --watch 0.5 --max-error-rate 2% --probe-token-file t --resume --skip-deploy",
            "migrate all --allow-outage --discard-disk --lift-kill --reason drill --json",
            "migrate rollback",
            "migrate rollback --flag USE_NEW_ADMIN_API --flag USE_NEW_CONTAINER_GATEWAY --local --ready-file r",
            "migrate rollback --kv-namespace 0f2ac74b498b48028cb68387c421e279",
            "migrate status --local",
            "migrate retire --watch-period 2d",
            "exec Ada -- ls",
            "exec Ada --timeout-ms 5 --json -- ls -l",
            "exec Ada --env A=b --env PATH --cwd /tmp --stdin --timeout 90s --grace 1s --max-output 4MiB --uid 1000 -- make -j4",
            "exec --limit memory=512MiB,cpu=60 --limit open-files=64 --limit file-size=1GB,processes=32 Ada -- make",
            "exec Ada --detach --idempotency-key k -- make",
            "exec Ada --on-interrupt detach -- make",
            "bulk exec --users all -- make",
            "bulk exec --users Ada,Ben --concurrency 5 --stop-after-failures 2 --timeout 1h --detach -- make",
            "jobs list",
            "jobs list --kind bulk-exec --user Ada --state timed_out --parent bulk-exec.fleet.b --limit 5 --json",
            "jobs show exec_1 --user Ada",
            "jobs attach exec_1 --user Ada --from-now --on-interrupt cancel",
            "jobs cancel bulk-exec.fleet.b --no-wait",
            "jobs watch bulk-exec.fleet.b",
            "jobs list --kind lifecycle",
            "state --lifecycle failed",
            "state Ada --probe",
            "wake Ada --timeout 90s",
            "restart Ada",
            "restart Ada --scope sandbox --discard-disk --detach",
            "reset Ada --discard-disk --idempotency-key k",
            "destroy Ada --yes",
            "tier Ada 2 --discard-disk",
            "image Ada",
            "image Ada --channel canary --pin",
            "image Ada --name v2 --discard-disk",
            "image Ada --pin",
            "image Ada --rollback",
            "keep-alive Ada",
            "keep-alive Ada always",
            "keep-alive Ada idle --after 30m",
            "bulk restart --users all --concurrency 10 --delay 2s",
            "bulk restart --users Ada,Ben --scope sandbox --discard-disk --stop-after-failures 1 --detach",
        ] {
            assert_eq!(parses(line), Ok(()), "{line}");
        }
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (line, named) in [
            ("users suspend Ada", "--reason"),
            ("users suspend --reason x", "<USER>"),
            ("users ban Ada", "ban"),
            ("users invite", "<EMAIL>"),
            ("keys", "create"),
            ("keys create --scope *", "--name"),
            ("keys create --name n", "--scope"),
            ("keys create --name n --scope fleet:*", "audit:read"),
            ("keys create --name n --scope * --expires-in soon", "--expires-in"),
            ("keys bootstrap maybe", "[possible values: on, off]"),
            ("keys revoke", "<ID>"),
            ("flags get use_new_admin_api", "USE_NEW_CONTAINER_GATEWAY"),
            ("flags set USE_NEW_ADMIN_API", "--percent"),
            ("flags set USE_NEW_ADMIN_API --reason x", "--percent"),
            ("flags set USE_NEW_ADMIN_API --percent 101", "0..=100"),
            (
                "flags set USE_NEW_ADMIN_API --enabled yes",
                "[possible values: true, false]",
            ),
            ("flags set USE_NEW_ADMIN_API --allow a/b", "--allow"),
            ("flags kill", "<NAME>"),
            ("audit verify --chain exec:", "sandbox:<user>"),
            ("migrate", "rollback"),
            ("migrate admin-api --steps 25,5", "--steps"),
            ("migrate admin-api --watch soon", "--watch"),
            ("migrate admin-api --max-error-rate 2", "--max-error-rate"),
            ("migrate admin-api --probe-path //elsewhere", "--probe-path"),
            ("migrate rollback --flag USE_NEW", "USE_NEW_ADMIN_API"),
            ("migrate rollback --kv-namespace ../x", "--kv-namespace"),
            ("migrate status --ready-file r", "--local"),
            ("migrate container-gateway --probe-token abc", "--probe-token"),
            ("exec Ada", "<ARGV>"),
            ("exec Ada ls", "unexpected argument"),
            ("exec Ada --timeout 5 -- ls", "--timeout"),
            ("exec Ada --timeout 5s --timeout-ms 5000 -- ls", "--timeout-ms"),
            ("exec Ada --max-output much -- ls", "256KiB"),
            ("exec Ada --limit disk=1 -- ls", "open-files="),
            ("exec Ada --env =b -- ls", "NAME=VALUE"),
            (
                "exec Ada --on-interrupt ignore -- ls",
                "[possible values: ask, cancel, detach]",
            ),
            ("exec Ada --detach --on-interrupt ask -- ls", "--on-interrupt"),
            ("bulk exec -- ls", "--users"),
            ("bulk restart", "--users"),
            ("state --probe", "<USER>"),
            ("state --lifecycle awake", "sleeping"),
            ("tier Ada 4", "1..=3"),
            ("restart Ada --scope disk", "[possible values: agent, sandbox]"),
            ("image Ada --channel stable --name a", "--name"),
            ("image Ada --rollback --pin", "--pin"),
            ("keep-alive Ada idle", "--after"),
            ("keep-alive Ada sometimes", "always"),
            ("jobs", "attach"),
            ("jobs list --kind build", "bulk-exec"),
            ("jobs list --state asleep", "timed_out"),
            ("jobs list --parent b", "<kind>.<owner>.<id>"),
            ("jobs show", "<ID>"),
        ] {
            let refused = parses(line).expect_err(line);
            assert!(refused.contains(named), "{line}: {refused}");
        }
    }
}
