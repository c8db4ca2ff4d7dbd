//! Names that announce a secret.

/// How sure a name is of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Announces {
    /// The value is a secret, whatever it looks like.
    Secret,
    /// As [`Self::Secret`], to the end of the line: a header with several values.
    SecretLine,
    /// Used for secrets and for ordinary things (`key`, `code`): a plain word or a short number stays.
    Perhaps,
    /// A number of tokens, as language models count them: a number stays.
    Count,
    /// Nothing.
    Nothing,
}

/// Parts of names, without separators and capitals.
const SECRET: [&str; 19] = [
    "token",
    "secret",
    "passw",
    "passphrase",
    "passcode",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "signingkey",
    "secretkey",
    "masterkey",
    "encryptionkey",
    "identitykey",
    "bearer",
    "jwt",
    "signature",
    "sessioncookie",
    "connectionstring",
];
const LINE: [&str; 2] = ["authorization", "cookie"];
const WHOLE: [&str; 7] = ["pass", "pwd", "sig", "otp", "totp", "nonce", "xmoltidentity"];
/// Last words of names that mean a secret as often as not.
const PERHAPS: [&str; 4] = ["key", "keys", "auth", "oauth"];
/// What makes a `code` one of those that open something.
const CODES: [&str; 12] = [
    "code",
    "authcode",
    "oauthcode",
    "authorizationcode",
    "verificationcode",
    "invitecode",
    "invitationcode",
    "logincode",
    "recoverycode",
    "resetcode",
    "codeverifier",
    "pincode",
];
/// Longest name that is looked at, in bytes; of a longer one the end.
const LONGEST: usize = 96;

/// Whether a header, field, parameter or variable of this name holds a secret: in any case, with dashes, underscores, dots or
/// camelCase. `key` and `code` count, whatever they may mean elsewhere.
#[must_use]
pub fn is_secret_name(name: &str) -> bool {
    !matches!(announces(name), Announces::Nothing | Announces::Count)
}

pub(super) fn announces(name: &str) -> Announces {
    let bytes = name.as_bytes();
    let bytes = bytes.get(bytes.len().saturating_sub(LONGEST)..).unwrap_or_default();
    let mut buffer = [0_u8; LONGEST];
    let mut length = 0;
    for (place, byte) in buffer
        .iter_mut()
        .zip(bytes.iter().filter(|byte| byte.is_ascii_alphanumeric()))
    {
        *place = byte.to_ascii_lowercase();
        length += 1;
    }
    let Ok(plain) = std::str::from_utf8(buffer.get(..length).unwrap_or_default()) else {
        return Announces::Nothing;
    };
    if plain.ends_with("tokens") {
        return Announces::Count;
    }
    if LINE.iter().any(|part| plain.contains(part)) {
        return Announces::SecretLine;
    }
    if SECRET.iter().any(|part| plain.contains(part)) || WHOLE.contains(&plain) {
        return Announces::Secret;
    }
    if CODES.contains(&plain) || PERHAPS.contains(&last_word(bytes, plain)) {
        return Announces::Perhaps;
    }
    Announces::Nothing
}

/// The last word of a name, found by separators or capitals in `raw` and taken from `plain`, which has neither.
fn last_word<'a>(raw: &[u8], plain: &'a str) -> &'a str {
    let mut length = 0;
    let mut after: Option<u8> = None;
    for byte in raw.iter().rev() {
        let new_word = match after {
            // `apiKey`: the capital begins the word.
            Some(next) => next.is_ascii_uppercase() && !byte.is_ascii_uppercase(),
            None => false,
        };
        if !byte.is_ascii_alphanumeric() {
            if length == 0 {
                continue;
            }
            break;
        }
        if new_word {
            break;
        }
        length += 1;
        after = Some(*byte);
    }
    plain.get(plain.len().saturating_sub(length)..).unwrap_or(plain)
}

/// Whether a value under a [`Announces::Perhaps`] name is plainly none: a word of small letters (a stable code of ours, the name of a
/// setting) or a number of up to five digits (a status, an exit code).
pub(super) fn is_plain_word(value: &str) -> bool {
    let short_number = value.len() <= 5 && value.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    let word = value.len() <= 40
        && value
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'-' | b'.' | b' '));
    short_number || word
}

/// Whether a value is a number.
pub(super) fn is_number(value: &str) -> bool {
    value.len() <= 12
        && value
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'k'))
}
