//! Where strict limits are counted: objects that share the counters by the hash of their keys, so that no single one is everybody's bottleneck.

use molt_common::limit::CounterKey;
use worker::{Env, Result, Stub};

const BINDING: &str = "RATE_LIMITER";
/// A counter's place depends on it: another number begins all counts anew, and leaves the old objects to purge themselves.
const SHARDS: u32 = 64;

/// The object that keeps a counter.
pub fn stub(env: &Env, key: &CounterKey) -> Result<Stub> {
    let name = format!("limit-{}", key.shard(SHARDS));
    env.durable_object(BINDING)?.get_by_name(&name)
}
