//! Which hosts of the internet sandboxes reach: one stack, whose internet is a server of this machine, and one whose runtime is killed.

mod change;
mod inside;
mod lists;
mod reach;
mod survival;

use e2e_tests::harness::Group;
use e2e_tests::internet::Internet;
use e2e_tests::trials;
use std::process::ExitCode;
use std::sync::LazyLock;

/// Hosts that there are.
const HOSTS: [&str; 6] = [
    "allowed.example.com",
    "other.example.com",
    "wild.example.net",
    "a.wild.example.net",
    "bad.wild.example.net",
    "xn--bcher-kva.example",
];

/// They are this server.
static INTERNET: LazyLock<Internet> = LazyLock::new(|| Internet::of(&HOSTS));

fn main() -> ExitCode {
    let flags: Vec<&'static str> = INTERNET.flags(&HOSTS).into_iter().map(|flag| &*flag.leak()).collect();
    let group = Group::new("outbound", flags.leak());
    let mut trials = trials! { group, shared;
        reach {
            only_listed_hosts_are_reached, the_host_of_a_request_decides_and_not_the_name_that_was_dialled, bodies_redirects_and_sockets_pass_as_they_are,
            nothing_but_http_and_https_by_name_gets_out, the_platforms_own_names_are_reached_whatever_the_lists_say,
            names_are_looked_up_whatever_the_lists_say,
        }
        change {
            lists_change_while_it_runs, what_began_open_is_held_from_its_next_start_on, providers_know_the_start_after_lists_were_taken_away,
            no_lists_are_everything,
        }
        lists { what_is_no_host_is_named, each_change_is_audited_once_and_exported, the_command_line_does_the_same, scopes_are_those_of_the_fleet }
    };
    trials.extend(trials! { group, alone;
        survival { a_replaced_runtime_opens_nothing_and_leads_again, a_killed_runtime_opens_nothing, without_internet_lists_open_nothing }
    });
    group.run(3, trials)
}
