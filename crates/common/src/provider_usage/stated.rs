//! What an answer has stated, and what it means in the words of both protocols.

use crate::usage::Tokens;

/// A number that answers state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// `prompt_tokens`: all that was asked.
    Prompt,
    /// `input_tokens`: all of it, or what came from no cache; see [`Stated::tokens`].
    Input,
    /// `completion_tokens`, `output_tokens`.
    Output,
    /// `cache_read_input_tokens`.
    CacheRead,
    /// `cache_creation_input_tokens`.
    CacheCreation,
    /// `cached_tokens` among the details of what was asked.
    CachedPart,
}

/// The last of each that was stated: where several are, they grow.
#[derive(Clone, Debug, Default)]
pub(super) struct Stated {
    pub(super) model: Option<String>,
    prompt: Option<u64>,
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_creation: Option<u64>,
    cached_part: Option<u64>,
}

impl Stated {
    pub(super) fn count(&mut self, what: Count, number: u64) {
        let place = match what {
            Count::Prompt => &mut self.prompt,
            Count::Input => &mut self.input,
            Count::Output => &mut self.output,
            Count::CacheRead => &mut self.cache_read,
            Count::CacheCreation => &mut self.cache_creation,
            Count::CachedPart => &mut self.cached_part,
        };
        *place = Some(number);
    }

    /// `OpenAI` counts what came from a cache among what was asked and says so in details; `Anthropic` counts it beside.
    pub(super) fn tokens(&self) -> Option<Tokens> {
        self.prompt.or(self.input).or(self.output)?;
        let beside = self
            .cache_read
            .unwrap_or(0)
            .saturating_add(self.cache_creation.unwrap_or(0));
        let input = match (self.prompt, self.cached_part) {
            (Some(all), _) => all,
            (None, Some(_)) => self.input.unwrap_or(0),
            (None, None) => self.input.unwrap_or(0).saturating_add(beside),
        };
        Some(Tokens {
            input,
            cached_input: self.cached_part.or(self.cache_read).unwrap_or(0).min(input),
            output: self.output.unwrap_or(0),
        })
    }
}
