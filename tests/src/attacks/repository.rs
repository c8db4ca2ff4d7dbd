//! Repositories of sandboxes: tokens that are none, those of others, and what a good one may not do.

use super::ledger::NOTHING_MORE;
use super::{Cast, Ledger};
use crate::people::now;
use molt_common::repository_keys::RepositoryKeys;
use molt_common::repository_token::{Access, RepositoryClaims};
use molt_common::snapshot::ObjectId;
use molt_common::time::Millis;

pub async fn run(ledger: &mut Ledger<'_>, cast: &Cast) {
    let stack = ledger.stack;
    let (ada, ben) = (stack.repository(&cast.ada), stack.repository(&cast.ben));
    let id = ben.store("data", b"what Ben saved".to_vec()).await;
    let path = format!("restic/data/{id}");
    let claims = ben.claims(Access::Full);
    let keys = RepositoryKeys::parse(&format!(r#"{{"current":"k1","keys":{{"k1":"{}"}}}}"#, "A".repeat(43)));
    let forged = claims.mint(&keys.expect("keys")).expect("a token");
    let ended = ben.token_of(&RepositoryClaims {
        until: Millis(now() * 1_000 - 1),
        ..claims.clone()
    });
    let good = ben.token_of(&claims);
    let (head, signature) = good.rsplit_once('.').expect("a signature");
    let unsigned = format!("{head}.");
    let swapped = format!(
        "{}.{signature}",
        ada.token(Access::Full).rsplit_once('.').expect("a signature").0
    );
    for (attack, token, status) in [
        ("a repository's token under another key", forged.as_str(), 401),
        ("a repository's token that has ended", ended.as_str(), 401),
        ("a repository's token without its signature", unsigned.as_str(), 401),
        (
            "a repository's token with the signature of another",
            swapped.as_str(),
            401,
        ),
        ("a user's token at his own repository", cast.ben.token.as_str(), 401),
        ("an admin key at a repository", cast.reader.as_str(), 401),
    ] {
        for method in ["GET", "DELETE"] {
            let call = ben.bare(method, &path).bearer(token);
            ledger
                .answered("-", &format!("{attack}, {method}"), &[status], call)
                .await;
        }
    }
    let foreign = ben.bare("GET", &path).bearer(&ada.token(Access::Full));
    ledger
        .answered("-", "the token of another sandbox's repository", &[403], foreign)
        .await;
    let cookie = ben
        .bare("GET", &path)
        .header("cookie", &format!("sb-access-token={good}"));
    ledger
        .answered("-", "a repository's token in a cookie", &[401], cookie)
        .await;
    let session = ben.bare("GET", &path).session(&cast.ben);
    ledger
        .answered("-", "the owner's session at his repository", &[401], session)
        .await;
    let posing = ben
        .bare("GET", &path)
        .header("x-molt-identity", &good)
        .header("x-admin-secret", &good);
    ledger
        .answered("-", "a repository's token as the router's identity", &[401], posing)
        .await;
    let elsewhere = stack.get("/api/super/users").bearer(&good);
    ledger
        .answered("-", "a repository's token at the admin API", &[401, 403], elsewhere)
        .await;
    let elsewhere = stack.get("/echo").bearer(&good);
    ledger
        .answered("-", "a repository's token at a sandbox", &[401], elsewhere)
        .await;
    let append = |method: &'static str, rest: &str| ben.call(Access::Append, method, rest);
    ledger
        .answered(
            "-",
            "removing a pack with a token that only adds",
            &[403],
            append("DELETE", &path),
        )
        .await;
    let config = append("DELETE", "restic/config");
    ledger
        .answered(
            "-",
            "removing the configuration with a token that only adds",
            &[403],
            config,
        )
        .await;
    let replaced = append("POST", &path).body("what somebody else saved");
    ledger
        .answered("-", "other bytes under the name of a pack", &[400], replaced)
        .await;
    let reads = ben
        .call(Access::Read, "POST", &format!("restic/data/{}", ObjectId::of(b"x")))
        .body("x");
    ledger
        .answered("-", "writing with a token that only reads", &[403], reads)
        .await;
    for odd in [
        "restic/data/../config",
        "restic/data/..%2fconfig",
        "restic/../../x/restic/config",
        "restic/data/%2e%2e/config",
        "restic//config",
        "restic/data/%00",
    ] {
        let call = ben.call(Access::Read, "GET", odd);
        ledger
            .answered("-", &format!("{odd} in a repository"), &[400, 401, 404], call)
            .await;
    }
    for method in ["PUT", "PATCH", "OPTIONS", "PROPFIND"] {
        ledger
            .answered("-", &format!("{method} in a repository"), &[405], append(method, &path))
            .await;
    }
    let long = append("POST", &format!("restic/locks/{}", ObjectId::of(b"x"))).body(vec![b'x'; 1 << 20]);
    ledger.answered("-", "a lock file of 1 MiB", &[413], long).await;
    let still = |reply: &crate::reply::Reply| match reply.text().as_str() {
        "what Ben saved" => Ok(()),
        other => Err(format!("it reads {other:?} now")),
    };
    let read = ben.call(Access::Read, "GET", &path);
    ledger
        .checked(
            "-",
            "after all that, reading the pack",
            &[200],
            read,
            "as it was saved",
            &still,
        )
        .await;
    let gone = ben.call(Access::Full, "DELETE", &path);
    ledger
        .checked("-", "removing it with a token that may", &[200], gone, "", NOTHING_MORE)
        .await;
}
