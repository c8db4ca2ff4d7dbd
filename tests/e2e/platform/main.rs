//! What users, admins and scripts see of the platform: one stack with the echo agent, and a sandbox per test where it matters.

mod admin_access;
mod answers;
mod attacks;
mod audit;
mod bad_input;
mod cli;
mod exec;
mod exec_limits;
mod first_page;
mod headers;
mod hostile;
mod hostile_frames;
mod http;
mod isolation;
mod keys;
mod leaks;
mod lifecycle;
mod login;
mod openapi;
mod people;
mod repository;
mod session_end;
mod sign_in;
mod sockets;
mod state;
mod suspension;

use e2e_tests::harness::Group;
use e2e_tests::trials;
use std::process::ExitCode;

fn main() -> ExitCode {
    let group = Group::new("platform", &[]);
    let mut trials = trials! { group, shared;
        answers {
            health_says_that_the_router_is_well, status_names_the_flags, every_answer_has_an_id_of_ours_and_its_backend,
            a_socket_answer_has_them_too,
        }
        attacks { every_attack_is_held }
        repository { no_file_holds_a_secret }
        keys {
            a_key_is_shown_once_and_opens_by_either_header, a_key_opens_what_its_scopes_say,
            a_revoked_key_is_refused_soon_and_for_good, an_expired_key_is_refused, a_key_makes_no_key_that_may_more,
            bad_keys_are_named_by_field,
        }
        suspension {
            a_suspended_user_is_put_out_within_seconds_and_comes_back, a_suspended_user_gets_no_container,
            bad_suspensions_are_refused, invitations_come_and_go,
        }
        audit {
            every_change_of_the_control_plane_is_chained, commands_and_sandboxes_have_chains_of_their_own,
            bad_questions_are_named_by_field, no_secret_is_in_the_trail, asking_twice_to_cancel_is_one_change,
        }
        sign_in {
            without_a_token_a_program_gets_401, without_a_token_a_browser_goes_to_the_login,
            bad_tokens_are_all_refused_alike, cookie_and_bearer_both_open, a_bearer_token_wins_over_the_cookie,
            another_token_opens_another_sandbox, a_foreign_page_cannot_use_the_cookie_to_change_anything,
        }
        login {
            the_page_offers_the_seeded_users, a_login_begun_here_opens_a_session_that_works,
            a_login_begun_elsewhere_is_refused, a_foreign_page_cannot_sign_anybody_in, only_paths_of_ours_are_returned_to,
            other_hosts_have_no_development_login, logging_out_removes_the_session, a_get_does_not_log_out,
        }
        first_page {
            a_browser_sees_the_start_and_then_its_agent, a_program_is_held_until_the_agent_answers,
            asking_how_far_a_start_is_starts_nothing, fifty_first_requests_start_one_container,
        }
        people { two_users_never_see_each_other, files_of_one_are_not_in_the_other }
        http {
            a_stream_arrives_in_pieces, requests_one_after_the_other_are_all_answered, twenty_mebibytes_pass_both_ways_unchanged, path_and_query_pass_as_they_are,
            every_method_passes, head_has_no_body, answers_are_compressed_only_for_those_who_ask,
            a_body_is_sent_after_100_continue, a_chunked_body_passes, an_unknown_page_is_the_agents_404,
            cookies_of_the_agent_pass_and_ours_do_not,
        }
        headers {
            ordinary_headers_reach_the_agent, the_agent_knows_whom_it_serves_and_where, no_credential_reaches_the_agent,
            forged_headers_do_not_reach_the_agent, hop_headers_stay_on_their_hop,
        }
        sockets {
            text_and_bytes_come_back, a_mebibyte_passes_in_one_message, the_agents_close_reaches_the_client,
            the_clients_close_is_answered, foreign_pages_open_no_socket, own_pages_open_one,
            without_a_token_there_is_no_socket, fifty_sockets_at_once, a_socket_wakes_the_sandbox,
            a_socket_outlives_heartbeats_and_eviction,
        }
        session_end {
            a_socket_ends_with_its_token_and_a_renewed_one_resumes, a_stream_breaks_off_when_its_user_signs_out,
            a_key_beside_a_cookie_opens_no_sandbox, odd_admin_credentials_are_refused_safely,
        }
        exec {
            a_command_ends_with_its_output, a_failing_command_says_how, a_killed_command_names_the_signal,
            both_streams_are_kept_apart, input_environment_and_directory_are_used, argv_is_not_read_by_a_shell,
            older_names_are_understood, a_key_replays_and_never_runs_twice, ten_commands_run_at_once,
            a_long_command_does_not_delay_a_short_one, a_command_wakes_its_sandbox, results_belong_to_their_user,
        }
        exec_limits {
            a_command_is_stopped_at_its_time_limit, a_cancelled_command_ends, children_that_went_their_own_way_end_too,
            long_output_is_cut_and_counted, output_that_fits_is_whole, a_program_that_is_not_there_is_no_result,
            a_directory_that_is_not_there_is_no_result,
        }
        state {
            a_running_sandbox_shows_all_its_fields, reading_state_starts_nothing, the_dashboard_agrees,
            lists_page_by_cursor, no_list_leads_to_an_empty_page, users_are_found_by_name,
        }
        lifecycle {
            a_container_killed_behind_our_back_is_noticed, a_crashed_agent_comes_back_in_the_same_generation,
        }
        admin_access {
            the_admin_secret_is_asked_for, a_users_token_opens_no_admin_route, the_admin_secret_opens_no_sandbox,
        }
        bad_input {
            unknown_and_malformed_users_are_4xx, bodies_that_are_no_command_are_named_by_field, broken_json_is_400,
            a_body_that_is_too_long_is_413, other_methods_are_405, odd_spellings_of_reserved_paths_are_400,
            reserved_paths_hold_nothing, lists_refuse_bad_pages,
        }
        hostile { no_path_breaks_anything, no_header_breaks_anything, no_token_opens_anything, no_body_breaks_anything }
        hostile_frames { no_frame_breaks_anything, slow_and_half_open_peers_hold_up_nobody }
        isolation {
            the_host_is_not_visible, other_sandboxes_are_not_visible, the_hosts_network_is_closed,
            no_secret_is_in_reach, no_secret_is_on_a_command_line, commands_have_no_privileges,
            the_control_port_is_closed_to_the_sandbox, a_command_cannot_end_the_supervisor,
        }
        leaks { secrets_in_all_parts_of_a_request_reach_no_log }
        openapi { the_document_describes_every_admin_route }
        cli {
            a_key_is_made_used_listed_and_revoked, a_key_is_made_as_json_too,
            a_key_that_could_not_be_written_is_named_so_that_it_can_be_revoked,
            users_are_suspended_and_reinstated_by_name_or_id, invitations_are_made_listed_and_taken_back, a_list_of_several_pages_is_whole,
            a_sound_chain_ends_with_0_and_a_broken_one_with_1, bad_input_ends_with_2_and_is_named,
            a_wrong_secret_is_refused_and_not_repeated, an_unreachable_server_is_named,
        }
    };
    trials.extend(trials! { group, alone;
        cli { the_bootstrap_secret_is_switched_off_and_on }
    });
    group.run(4, trials)
}
