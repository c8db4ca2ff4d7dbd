//! Signing in at an identity provider, staying signed in, and signing out; who may become a user; what pages of other sites may do.

mod cross_origin;
mod provider_sign_in;
mod renewal;
mod renewal_trouble;
mod sandbox_answers;
mod secure_origin;
mod sign_out;
mod sign_up;
mod suspension;
mod world;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("login", world::flags());
    let mut trials = trials! { group, shared;
        provider_sign_in {
            the_whole_way_opens_a_session, a_token_of_another_sign_in_is_refused, a_sign_in_is_used_once,
            planted_cookies_do_not_survive_a_sign_in, a_session_cookie_lives_no_longer_than_its_token,
            refused_sign_ins_say_so_in_words,
        }
        renewal {
            a_token_about_to_end_is_renewed, a_page_is_renewed_earlier, a_session_outlives_its_cookie,
            a_burst_spends_a_refresh_token_once, a_socket_renews_too, a_bearer_token_is_never_renewed,
            no_credential_is_in_an_answer_or_a_log,
        }
        renewal_trouble {
            a_refused_renewal_ends_the_session, a_provider_that_is_down_signs_nobody_out,
            a_provider_that_answers_nonsense_is_down, a_token_of_somebody_else_is_not_taken,
            refresh_cookies_of_others_and_forged_ones_are_nothing, a_foreign_page_renews_nothing,
        }
        sign_out {
            the_provider_is_told, an_ended_token_is_renewed_to_tell_it, a_provider_that_hangs_does_not_keep_anybody,
            a_foreign_page_signs_nobody_out,
        }
        cross_origin {
            a_listed_page_may_ask_and_read, other_pages_get_no_cors_header, admin_calls_never_go_with_cookies,
            a_listed_page_may_change_but_not_connect, cross_site_requests_are_refused_whatever_their_origin,
            own_answers_carry_the_headers_that_protect_them,
        }
        sandbox_answers { headers_that_act_on_the_origin_are_taken_off, headers_of_the_page_stay }
        suspension { a_suspended_user_is_told_and_gets_no_container, fifty_first_requests_make_one_user }
    };
    trials.extend(trials! { group, alone;
        secure_origin { cookies_have_their_prefix_and_planted_ones_are_nothing }
        sign_up { by_invitation, by_domain, closed }
    });
    group.run(4, trials)
}
