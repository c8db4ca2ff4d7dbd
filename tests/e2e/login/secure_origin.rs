//! Cookies and headers where the platform is reached over https, as it is in production.

use e2e_tests::jar::Jar;
use e2e_tests::people::claims_of;
use e2e_tests::provider_login::Provider;
use e2e_tests::reply::Reply;
use e2e_tests::stack::{Stack, state_dir};
use uuid::Uuid;

const ORIGIN: &str = "https://bot.example";
const STATE: &str = "__Host-molt-login-state";
const SESSION: &str = "__Host-molt-session";
const REFRESH: &str = "__Host-molt-refresh";

async fn begin(stack: &Stack) -> (Jar, String) {
    let reply = stack.get("/login").browser().send().await;
    let target = reqwest::Url::parse(reply.expect(302).header("location")).expect("a URL");
    let parameter = |name: &str| {
        target
            .query_pairs()
            .find(|(key, _)| key == name)
            .expect("a parameter")
            .1
    };
    let state = parameter("state").into_owned();
    assert_eq!(parameter("redirect"), format!("{ORIGIN}/auth/callback?state={state}"));
    let mut jar = Jar::secure();
    jar.take(&reply);
    assert_eq!(jar.names(), [STATE]);
    (jar, state)
}

async fn come_back(stack: &Stack, jar: &mut Jar, fields: &[(&str, &str)]) -> Reply {
    let call = jar.on(stack.post("/auth/callback")).header("origin", ORIGIN);
    let reply = call.header("sec-fetch-site", "same-origin").form(fields).send().await;
    jar.take(&reply);
    reply
}

async fn boot(stack: &Stack, jar: &mut Jar) -> Reply {
    let reply = jar.on(stack.get("/_molt/boot")).send().await;
    jar.take(&reply);
    reply
}

pub async fn cookies_have_their_prefix_and_planted_ones_are_nothing() {
    let provider = Provider::start();
    let flags = provider.flags();
    let mut flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    flags.extend(["--public-origin", ORIGIN, "--var", "router.HSTS_SUBDOMAINS=on"]);
    let stack = Stack::start(&flags, &state_dir().expect("a folder")).await;
    let stack = stack.unwrap_or_else(|error| panic!("{error}"));
    provider.serve_stack(&stack);
    let (victim, attacker) = (Uuid::new_v4().to_string(), Uuid::new_v4().to_string());
    let (mine, theirs) = (provider.session(&victim, 3600), provider.session(&attacker, 3600));

    // A neighbour under the same domain can plant a cookie without the prefix: it begins no sign-in.
    let (jar, state) = begin(&stack).await;
    let mut planted = Jar::secure();
    planted.put("molt-login-state", jar.get(STATE).expect("a state"));
    let fields = [("state", state.as_str()), ("access_token", &theirs.access)];
    come_back(&stack, &mut planted, &fields)
        .await
        .problem(403, "login_not_begun_here");

    let (mut jar, state) = begin(&stack).await;
    let fields = [
        ("state", state.as_str()),
        ("access_token", mine.access.as_str()),
        ("refresh_token", mine.refresh.as_str()),
    ];
    come_back(&stack, &mut jar, &fields).await.expect(303);
    assert_eq!(jar.names(), [REFRESH, SESSION]);
    let reply = boot(&stack, &mut jar).await;
    assert_eq!(
        reply.expect(200).header("strict-transport-security"),
        "max-age=31536000; includeSubDomains"
    );

    // Beside ours, a planted session counts for nothing, whether ours is good or has ended: it is renewed instead.
    jar.put("sb-access-token", &theirs.access);
    jar.put(
        "molt-refresh",
        jar.get(REFRESH).expect("a refresh cookie").to_owned().as_str(),
    );
    assert!(boot(&stack, &mut jar).await.expect(200).all("set-cookie").is_empty());
    jar.lose(SESSION);
    boot(&stack, &mut jar).await.expect(200);
    assert_eq!(claims_of(jar.get(SESSION).expect("a session"))["sub"], victim.as_str());
    assert_eq!((provider.asked(&victim), provider.asked(&attacker)), (1, 0));

    // A refresh cookie without the prefix is nobody's.
    let mut planted = Jar::secure();
    planted.put("molt-refresh", jar.get(REFRESH).expect("a refresh cookie"));
    boot(&stack, &mut planted).await.problem(401, "authentication_required");

    // Older clients send the older name, and by itself it still counts.
    let mut older = Jar::secure();
    older.put("sb-access-token", &mine.access);
    boot(&stack, &mut older).await.expect(200);
    older.put(
        "sb-access-token",
        &format!("{}; sb-access-token={}", mine.access, theirs.access),
    );
    boot(&stack, &mut older).await.problem(401, "authentication_required");

    let reply = jar.on(stack.post("/logout")).header("origin", ORIGIN).send().await;
    jar.take(reply.expect(303));
    assert!(jar.names().is_empty(), "{:?}", jar.names());
    assert_eq!(provider.signed_out(&victim).len(), 1);
    stack.stop().await.assert_clean();
}
