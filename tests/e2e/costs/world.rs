//! The stack of these tests: providers that are one stub on loopback, some with prices.

use e2e_tests::people::User;
use e2e_tests::provider_stub::ProviderStub;
use e2e_tests::stack::Stack;
use e2e_tests::wait::until;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;

/// What is counted is in the lists within this long, on a busy machine.
const TOLD: Duration = Duration::from_secs(40);

/// Dollars for a million tokens of the model `priced`: 3 in, 15 out.
pub const PRICES: (u64, u64) = (3_000_000, 15_000_000);

/// The provider.
pub fn stub() -> &'static ProviderStub {
    static STUB: OnceLock<ProviderStub> = OnceLock::new();
    STUB.get_or_init(ProviderStub::start)
}

/// Options of the stack: the stub's own, and models with prices.
pub fn flags() -> &'static [&'static str] {
    static FLAGS: OnceLock<Vec<&'static str>> = OnceLock::new();
    FLAGS.get_or_init(|| {
        let priced = json!([
            {"id": "plain", "inputPrice": PRICES.0, "outputPrice": PRICES.1},
            {"id": "paced-1-1"},
        ]);
        let flags = stub()
            .flags()
            .into_iter()
            .map(|flag| match flag.strip_prefix("container-gateway.PROVIDERS=") {
                Some(rows) => {
                    let mut rows: Value = serde_json::from_str(rows).expect("rows");
                    rows[0]["models"] = priced.clone();
                    format!("container-gateway.PROVIDERS={rows}")
                }
                None => flag,
            });
        // Flags live as long as the process.
        flags.map(|flag| &*flag.leak()).collect()
    })
}

/// Sets a budget.
pub async fn limit(stack: &Stack, user: &User, budget: &Value) -> Value {
    let call = stack.call("PUT", &user.path("/budget")).admin().json(budget);
    call.send().await.json(200)
}

/// How it stands.
pub async fn budget(stack: &Stack, user: &User) -> Value {
    stack.get(&user.path("/budget")).admin().send().await.json(200)
}

/// What the user costs today, once it says so.
pub async fn cost_that(stack: &Stack, user: &User, what: &str, says: impl Fn(&Value) -> bool) -> Value {
    until(what, TOLD, async || {
        let cost = stack.get(&user.path("/cost?days=2")).admin().send().await.json(200);
        says(&cost).then_some(cost)
    })
    .await
}

/// Its calls to a provider.
pub fn calls<'a>(bill: &'a Value, provider: &str, own_key: bool) -> Option<&'a Value> {
    let all = bill["providers"].as_array().expect("providers");
    all.iter()
        .find(|one| one["provider"] == provider && one["ownKey"] == own_key)
}
