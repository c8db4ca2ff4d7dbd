//! Which secrets a user may have: the keys of providers, as the provider table names them, and the tokens of channels that the agent reads from its
//! environment. Nothing else becomes a variable of the agent.

use crate::user_secret::{KnownName, SecretUse};

/// Longest name.
pub const LONGEST: usize = 64;

/// Credentials that OpenClaw 2026.9.6 reads from its environment for its channels: those that the channels of its catalogue declare
/// (`configuredState.env`), and what its pages about IRC and QQ name. Addresses, names and ids, which are no secrets, belong into its configuration.
pub const CHANNELS: &[&str] = &[
    "BUZZ_PRIVATE_KEY",
    "CLICKCLACK_BOT_TOKEN",
    "DISCORD_BOT_TOKEN",
    "FEISHU_APP_SECRET",
    "FEISHU_ENCRYPT_KEY",
    "FEISHU_VERIFICATION_TOKEN",
    "GOOGLE_CHAT_SERVICE_ACCOUNT",
    "IRC_NICKSERV_PASSWORD",
    "IRC_PASSWORD",
    "LINE_CHANNEL_ACCESS_TOKEN",
    "LINE_CHANNEL_SECRET",
    "MATRIX_ACCESS_TOKEN",
    "MATRIX_PASSWORD",
    "MATTERMOST_BOT_TOKEN",
    "MSTEAMS_APP_PASSWORD",
    "NEXTCLOUD_TALK_API_PASSWORD",
    "NEXTCLOUD_TALK_BOT_SECRET",
    "NOSTR_PRIVATE_KEY",
    "OPENCLAW_TWITCH_ACCESS_TOKEN",
    "QQBOT_CLIENT_SECRET",
    "SLACK_APP_TOKEN",
    "SLACK_BOT_TOKEN",
    "SLACK_USER_TOKEN",
    "SYNOLOGY_CHAT_TOKEN",
    "TELEGRAM_BOT_TOKEN",
    "TWILIO_AUTH_TOKEN",
    "ZALO_BOT_TOKEN",
];

/// Whether a text is a name: `[A-Z][A-Z0-9_]{0,63}`.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.len() <= LONGEST
        && text.bytes().next().is_some_and(|first| first.is_ascii_uppercase())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// What a name is for, where `providers` are the names of the providers' keys. A provider's key that is called as a channel's token is a provider's:
/// it never reaches a sandbox.
#[must_use]
pub fn use_of(name: &str, providers: &[String]) -> Option<SecretUse> {
    if providers.iter().any(|known| known == name) {
        Some(SecretUse::Provider)
    } else if CHANNELS.contains(&name) {
        Some(SecretUse::Channel)
    } else {
        None
    }
}

/// All names that there are, each once, those of providers first.
#[must_use]
pub fn known(providers: &[String]) -> Vec<KnownName> {
    let mut names: Vec<KnownName> = Vec::with_capacity(providers.len() + CHANNELS.len());
    for name in providers.iter().map(String::as_str).chain(CHANNELS.iter().copied()) {
        let there = names.iter().any(|known| known.name == name);
        if let Some(used_for) = use_of(name, providers).filter(|_| !there) {
            names.push(KnownName {
                name: name.to_owned(),
                used_for,
            });
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::{CHANNELS, is_name, known, use_of};
    use crate::user_secret::SecretUse;
    use proptest::prelude::*;

    fn providers() -> Vec<String> {
        ["OPENAI_API_KEY", "TELEGRAM_BOT_TOKEN", "OPENAI_API_KEY"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn names_are_those_of_variables() {
        for good in ["A", "OPENAI_API_KEY", "K2", &"A".repeat(64)] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            "_A",
            "2A",
            "a",
            "A-B",
            "A B",
            "A=B",
            "Ä",
            "A\0",
            "A\n",
            "A/B",
            "..",
            &"A".repeat(65),
        ] {
            assert!(!is_name(bad), "{bad:?}");
        }
        assert!(CHANNELS.iter().all(|name| is_name(name)));
        assert!(CHANNELS.is_sorted(), "for those who look for one");
    }

    #[test]
    fn a_name_is_a_providers_before_it_is_a_channels_and_else_unknown() {
        let providers = providers();
        assert_eq!(use_of("OPENAI_API_KEY", &providers), Some(SecretUse::Provider));
        assert_eq!(use_of("TELEGRAM_BOT_TOKEN", &providers), Some(SecretUse::Provider));
        assert_eq!(use_of("TELEGRAM_BOT_TOKEN", &[]), Some(SecretUse::Channel));
        for unknown in [
            "OPENAI_API_KEY",
            "NODE_OPTIONS",
            "LD_PRELOAD",
            "PATH",
            "telegram_bot_token",
            "",
        ] {
            assert_eq!(use_of(unknown, &[]), None, "{unknown}");
        }
    }

    #[test]
    fn each_known_name_is_told_once_with_what_it_is_for() {
        let names = known(&providers());
        assert_eq!(names.len(), 1 + CHANNELS.len());
        for name in names {
            assert_eq!(Some(name.used_for), use_of(&name.name, &providers()), "{}", name.name);
        }
    }

    proptest! {
        #[test]
        fn what_is_no_name_is_for_nothing(text in "\\PC{0,70}") {
            if !is_name(&text) {
                prop_assert_eq!(use_of(&text, &[]), None);
            }
        }
    }
}
