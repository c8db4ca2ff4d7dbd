//! What the end of one call adds to what is counted.

use molt_common::provider::Model;
use molt_common::usage::rates;
use molt_common::usage::{CallUsage, Tokens};

/// More tokens than any model takes or gives in one call: a provider that states more is not believed beyond this.
pub const MOST_TOKENS: u64 = 100_000_000;
/// More bytes than any call has.
const MOST_BYTES: u64 = 1 << 40;

/// What is added to the counters of a day and provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Addition {
    /// 1 when the provider gave no answer, or a bad one (400 and above), or its answer was cut.
    pub failed: u64,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub answer_bytes: u64,
    /// 1 when the answer stated tokens.
    pub stated: u64,
    /// Of these: what they were.
    pub tokens: Tokens,
    /// 1 when a price was stated for the model, so that what it cost can be estimated.
    pub priced: u64,
    /// That, in billionths of a dollar.
    pub nano_usd: u64,
}

impl Addition {
    /// Of a call, with the models of its provider as the operator states them.
    #[must_use]
    pub fn of(usage: &CallUsage, models: &[Model]) -> Self {
        let good = usage.complete && usage.status.is_some_and(|status| status < 400);
        let tokens = usage.tokens.map(believed);
        let cost = tokens.and_then(|tokens| cost(tokens, usage.model.as_deref()?, models));
        Self {
            failed: u64::from(!good),
            request_bytes: usage.request_bytes.min(MOST_BYTES),
            answer_bytes: usage.answer_bytes.min(MOST_BYTES),
            stated: u64::from(tokens.is_some()),
            tokens: tokens.unwrap_or_default(),
            priced: u64::from(cost.is_some()),
            nano_usd: cost.unwrap_or(0),
        }
    }
}

fn believed(tokens: Tokens) -> Tokens {
    let input = tokens.input.min(MOST_TOKENS);
    Tokens {
        input,
        cached_input: tokens.cached_input.min(input),
        output: tokens.output.min(MOST_TOKENS),
    }
}

/// `None` unless both prices of the model are stated, or the one of a direction in which something went.
fn cost(tokens: Tokens, model: &str, models: &[Model]) -> Option<u64> {
    // A release that is stated by its own name has its own price, wherever in the list it stands.
    let exact = models.iter().find(|known| known.id == model);
    let model = exact.or_else(|| models.iter().find(|known| is_of(model, &known.id)))?;
    let part = |count: u64, price: Option<u64>| match (count, price) {
        (count, Some(price)) => Some(rates::tokens(count, price)),
        (0, None) => Some(0),
        (_, None) => None,
    };
    model.input_price.or(model.output_price)?;
    Some(part(tokens.input, model.input_price)?.saturating_add(part(tokens.output, model.output_price)?))
}

/// Whether an answer's model is this one: providers add the date of a release to the name that was asked for.
fn is_of(told: &str, known: &str) -> bool {
    let Some(rest) = told.strip_prefix(known) else {
        return false;
    };
    let dated = rest
        .strip_prefix('-')
        .is_some_and(|date| date.len() >= 8 && date.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'));
    rest.is_empty() || dated
}

#[cfg(test)]
mod tests {
    use super::{Addition, MOST_TOKENS, is_of};
    use molt_common::provider::Model;
    use molt_common::usage::{CallUsage, Tokens};

    fn model(id: &str, input: Option<u64>, output: Option<u64>) -> Model {
        Model {
            id: id.into(),
            name: None,
            context_window: None,
            max_tokens: None,
            input_price: input,
            output_price: output,
        }
    }

    fn usage(model: &str, tokens: Option<Tokens>) -> CallUsage {
        CallUsage {
            status: Some(200),
            model: Some(model.into()),
            request_bytes: 10,
            answer_bytes: 20,
            tokens,
            complete: true,
            own_key: false,
        }
    }

    const SOME: Tokens = Tokens {
        input: 1_000,
        cached_input: 200,
        output: 100,
    };

    #[test]
    fn a_price_that_is_stated_makes_an_estimate() {
        let models = [
            model("m", Some(3_000_000), Some(15_000_000)),
            model("free", Some(0), Some(0)),
        ];
        let added = Addition::of(&usage("m", Some(SOME)), &models);
        // 1,000 at 3 dollars and 100 at 15 dollars a million.
        assert_eq!((added.priced, added.nano_usd), (1, 4_500_000));
        assert_eq!((added.stated, added.tokens, added.failed), (1, SOME, 0));
        let added = Addition::of(&usage("free", Some(SOME)), &models);
        assert_eq!((added.priced, added.nano_usd), (1, 0));
    }

    #[test]
    fn without_a_price_or_tokens_there_is_no_estimate() {
        let models = [model("m", None, None), model("half", Some(1), None)];
        for (name, tokens) in [
            ("m", Some(SOME)),
            ("half", Some(SOME)),
            ("other", Some(SOME)),
            ("half", None),
        ] {
            let added = Addition::of(&usage(name, tokens), &models);
            assert_eq!((added.priced, added.nano_usd), (0, 0), "{name}");
        }
        assert_eq!(Addition::of(&usage("m", None), &models).stated, 0);
    }

    #[test]
    fn dated_releases_have_the_price_of_their_model() {
        for (told, known, same) in [
            ("gpt-x", "gpt-x", true),
            ("gpt-x-2026-01-31", "gpt-x", true),
            ("claude-y-20260131", "claude-y", true),
            ("gpt-x-mini", "gpt-x", false),
            ("gpt-x1", "gpt-x", false),
            ("gpt", "gpt-x", false),
        ] {
            assert_eq!(is_of(told, known), same, "{told} {known}");
        }
    }

    #[test]
    fn a_release_that_has_a_price_of_its_own_is_not_given_its_models() {
        let models = [
            model("gpt-x", Some(1_000_000), Some(0)),
            model("gpt-x-2026-01-31", Some(9_000_000), Some(0)),
        ];
        for (told, nano_usd) in [
            ("gpt-x", 1_000_000),
            ("gpt-x-2026-01-31", 9_000_000),
            ("gpt-x-2026-02-28", 1_000_000),
        ] {
            let added = Addition::of(&usage(told, Some(SOME)), &models);
            assert_eq!((added.priced, added.nano_usd), (1, nano_usd), "{told}");
        }
    }

    #[test]
    fn bad_answers_have_failed_and_wild_numbers_are_bounded() {
        let mut cut = usage("m", None);
        cut.complete = false;
        let mut refused = usage("m", None);
        refused.status = Some(429);
        let mut none = usage("m", None);
        none.status = None;
        for bad in [cut, refused, none] {
            assert_eq!(Addition::of(&bad, &[]).failed, 1, "{bad:?}");
        }
        let wild = Tokens {
            input: u64::MAX,
            cached_input: u64::MAX,
            output: u64::MAX,
        };
        let added = Addition::of(&usage("m", Some(wild)), &[model("m", Some(u64::MAX), Some(u64::MAX))]);
        assert_eq!(
            (added.tokens.input, added.tokens.cached_input),
            (MOST_TOKENS, MOST_TOKENS)
        );
        assert_eq!(added.tokens.output, MOST_TOKENS);
    }
}
