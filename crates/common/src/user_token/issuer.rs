//! Who may issue tokens on this deployment, as its variables and secrets say.

use super::SHORTEST_SECRET;
use super::key::Algorithm;

/// Path of the keys below a team's address.
const ACCESS_CERTS: &str = "/cdn-cgi/access/certs";
/// Audience of session tokens where none is configured.
const DEFAULT_AUDIENCE: &str = "authenticated";
/// How long keys are used without asking for them again where nothing is configured.
const DEFAULT_FRESH_S: u64 = 600;
/// An hour: who withdraws a key means soon.
const LONGEST_FRESH_S: u64 = 3600;

/// Where a token stood in the request. It decides which issuer may have issued it: an assertion of Access is good in its own header
/// and nowhere else, and nothing else is good there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer`.
    Bearer,
    /// The session cookie.
    Cookie,
    /// `Cf-Access-Jwt-Assertion`.
    Access,
}

impl Source {
    /// Whether a browser sends it by itself, so that a page of another site can have it sent.
    #[must_use]
    pub const fn is_ambient(self) -> bool {
        !matches!(self, Self::Bearer)
    }
}

/// Where an issuer publishes its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyEndpoint {
    /// Address of the key set.
    pub url: String,
    /// How long a set is used before it is asked for again, in milliseconds.
    pub fresh_ms: u64,
    /// Algorithms that this issuer signs by.
    pub algorithms: &'static [Algorithm],
}

/// The issuer of session tokens. One name for its HS256 secrets and its published keys: a project that moves from one to the other
/// keeps its `iss`.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionIssuer {
    /// Exact `iss`.
    pub issuer: String,
    /// One of `aud`.
    pub audience: String,
    /// HS256 secrets, the current one first. An earlier one stays valid while tokens signed with it live.
    pub secrets: Vec<String>,
    /// Published keys.
    pub keys: Option<KeyEndpoint>,
}

/// Cloudflare Access in front of this deployment. Its users' ids are derived from team and `sub` (`claims.rs`), because `sub` is a
/// UUID that another issuer may have given to somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessIssuer {
    /// Exact `iss`: the team's address, without a slash at the end.
    pub team: String,
    /// One of `aud`: the tag of the application.
    pub audience: String,
    /// Published keys.
    pub keys: KeyEndpoint,
}

/// All of them. The default has none: nobody gets in.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Issuers {
    /// For bearer tokens and session cookies.
    pub session: Option<SessionIssuer>,
    /// For assertions of Access.
    pub access: Option<AccessIssuer>,
}

/// The variables and secrets that say so, as they stand; an empty one counts as absent.
#[derive(Clone, Default)]
pub struct Settings {
    /// `SUPABASE_JWT_SECRET`: HS256.
    pub secret: Option<String>,
    /// `SUPABASE_JWT_SECRET_PREVIOUS`: still accepted during a rotation.
    pub previous_secret: Option<String>,
    /// `JWT_ISSUER`: exact `iss`.
    pub issuer: Option<String>,
    /// `JWT_AUDIENCE`: one of `aud`; `authenticated` by default.
    pub audience: Option<String>,
    /// `JWKS_URL`: where the issuer publishes keys for ES256, RS256 and EdDSA.
    pub jwks_url: Option<String>,
    /// `JWKS_FRESH_S`: seconds for which published keys are used before they are asked for again.
    pub jwks_fresh_s: Option<String>,
    /// `ACCESS_TEAM`: the team's address.
    pub access_team: Option<String>,
    /// `ACCESS_AUDIENCE`: tag of the Access application.
    pub access_audience: Option<String>,
}

/// A setting that cannot be meant. Nobody gets in then: half a configuration might let in the wrong ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable} {problem}")]
pub struct SettingsError {
    /// Name of the variable.
    pub variable: &'static str,
    /// What is wrong, without its value.
    pub problem: &'static str,
}

impl Issuers {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`SettingsError`] names the first that cannot be meant.
    pub fn read(settings: &Settings) -> Result<Self, SettingsError> {
        let given = |value: &Option<String>| value.clone().filter(|text| !text.is_empty());
        let fresh_ms = fresh_ms(given(&settings.jwks_fresh_s).as_deref())?;
        let mut secrets = Vec::new();
        for (variable, value) in [
            ("SUPABASE_JWT_SECRET", &settings.secret),
            ("SUPABASE_JWT_SECRET_PREVIOUS", &settings.previous_secret),
        ] {
            let Some(secret) = given(value) else { continue };
            if secret.len() < SHORTEST_SECRET {
                return Err(wrong(variable, "is shorter than 32 bytes"));
            }
            secrets.push(secret);
        }
        let keys = match given(&settings.jwks_url) {
            None => None,
            Some(url) => Some(KeyEndpoint {
                url: address("JWKS_URL", &url)?.to_owned(),
                fresh_ms,
                algorithms: &[Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa],
            }),
        };
        let session = if secrets.is_empty() && keys.is_none() {
            None
        } else {
            Some(SessionIssuer {
                issuer: given(&settings.issuer).ok_or(wrong("JWT_ISSUER", "is missing"))?,
                audience: given(&settings.audience).unwrap_or_else(|| DEFAULT_AUDIENCE.into()),
                secrets,
                keys,
            })
        };
        // With one of the two Access is not configured, and its header is not looked at.
        let access = match (given(&settings.access_team), given(&settings.access_audience)) {
            (Some(team), Some(audience)) => {
                let team = address("ACCESS_TEAM", team.trim_end_matches('/'))?;
                let url = format!("{team}{ACCESS_CERTS}");
                Some(AccessIssuer {
                    team: team.to_owned(),
                    audience,
                    keys: KeyEndpoint {
                        url,
                        fresh_ms,
                        algorithms: &[Algorithm::Rs256],
                    },
                })
            }
            _ => None,
        };
        Ok(Self { session, access })
    }
}

const fn wrong(variable: &'static str, problem: &'static str) -> SettingsError {
    SettingsError { variable, problem }
}

fn fresh_ms(text: Option<&str>) -> Result<u64, SettingsError> {
    let seconds = text.map_or(Ok(DEFAULT_FRESH_S), str::parse::<u64>);
    match seconds {
        Ok(seconds) if (1..=LONGEST_FRESH_S).contains(&seconds) => Ok(seconds * 1000),
        _ => Err(wrong("JWKS_FRESH_S", "is not a number from 1 to 3600")),
    }
}

/// Keys come over TLS, or from this machine (development, tests): whoever can change them on the way can sign in as anybody.
fn address<'a>(variable: &'static str, url: &'a str) -> Result<&'a str, SettingsError> {
    let loopback = ["http://127.0.0.1:", "http://[::1]:", "http://localhost:"];
    let trusted = url.strip_prefix("https://").or_else(|| {
        loopback
            .iter()
            .find_map(|prefix| url.strip_prefix(prefix))
            .filter(|rest| rest.starts_with(|first: char| first.is_ascii_digit()))
    });
    let plain = |rest: &str| {
        !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"@\\#".contains(&byte))
    };
    if trusted.is_some_and(plain) {
        Ok(url)
    } else {
        Err(wrong(variable, "is not an https address"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Issuers, Settings};

    const SECRET: &str = "a-test-secret-of-at-least-32-bytes!";

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    fn hs256() -> Settings {
        Settings {
            secret: some(SECRET),
            issuer: some("iss"),
            ..Settings::default()
        }
    }

    #[test]
    fn nothing_configured_means_nobody() {
        let none = Issuers::read(&Settings::default()).unwrap();
        assert!(none.session.is_none() && none.access.is_none());
        let empty = Settings {
            secret: some(""),
            jwks_url: some(""),
            access_team: some(""),
            access_audience: some("tag"),
            ..hs256()
        };
        let none = Issuers::read(&empty).unwrap();
        assert!(none.session.is_none() && none.access.is_none());
    }

    #[test]
    fn secrets_overlap_and_keys_stand_beside_them() {
        let settings = Settings {
            previous_secret: some("an-earlier-secret-of-32-bytes-or-more"),
            jwks_url: some("https://id.example/jwks.json"),
            access_team: some("https://team.cloudflareaccess.com/"),
            access_audience: some("tag"),
            ..hs256()
        };
        let issuers = Issuers::read(&settings).unwrap();
        let session = issuers.session.unwrap();
        assert_eq!((session.secrets.len(), session.secrets[0].as_str()), (2, SECRET));
        assert_eq!(
            (session.issuer.as_str(), session.audience.as_str()),
            ("iss", "authenticated")
        );
        assert_eq!(session.keys.unwrap().fresh_ms, 600_000);
        let access = issuers.access.unwrap();
        assert_eq!(access.team, "https://team.cloudflareaccess.com");
        assert_eq!(
            access.keys.url,
            "https://team.cloudflareaccess.com/cdn-cgi/access/certs"
        );
    }

    #[test]
    fn half_a_configuration_is_refused() {
        let cases = [
            (
                Settings {
                    secret: some("short"),
                    ..hs256()
                },
                "SUPABASE_JWT_SECRET",
            ),
            (
                Settings {
                    previous_secret: some("short"),
                    ..hs256()
                },
                "SUPABASE_JWT_SECRET_PREVIOUS",
            ),
            (
                Settings {
                    issuer: None,
                    ..hs256()
                },
                "JWT_ISSUER",
            ),
            (
                Settings {
                    jwks_fresh_s: some("0"),
                    ..hs256()
                },
                "JWKS_FRESH_S",
            ),
            (
                Settings {
                    jwks_fresh_s: some("3601"),
                    ..hs256()
                },
                "JWKS_FRESH_S",
            ),
            (
                Settings {
                    jwks_fresh_s: some("soon"),
                    ..hs256()
                },
                "JWKS_FRESH_S",
            ),
        ];
        for (settings, variable) in cases {
            assert_eq!(Issuers::read(&settings).err().unwrap().variable, variable);
        }
    }

    #[test]
    fn keys_come_over_tls_or_from_this_machine() {
        let read = |url: &str| {
            Issuers::read(&Settings {
                jwks_url: some(url),
                ..hs256()
            })
        };
        for good in [
            "https://id.example/keys",
            "http://127.0.0.1:8080/keys",
            "http://localhost:1/",
            "http://[::1]:9/",
        ] {
            assert!(read(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.example/keys",
            "http://127.0.0.1.evil.example/",
            "http://127.0.0.1:x@evil.example/",
            "http://127.0.0.1:80@evil.example/",
            "http://localhost",
            "https://",
            "https://a b/",
            "https://user@id.example/",
            "ftp://id.example/",
            "id.example",
            "file:///etc/passwd",
        ] {
            assert_eq!(read(bad).err().map(|error| error.variable), Some("JWKS_URL"), "{bad}");
        }
    }
}
