-- What each sandbox's object has counted of its user (docs/costs.md). Days are counted from 1970-01-01 in UTC. The object counts the versions of its
-- rows: an older one never overwrites a newer one.
CREATE TABLE usage_days (
  user_id TEXT NOT NULL,
  day INTEGER NOT NULL,
  provider TEXT NOT NULL,
  own_key INTEGER NOT NULL,                   -- 1: calls with the user's own key
  requests INTEGER NOT NULL,                  -- admitted
  ended INTEGER NOT NULL,                     -- of these, those whose end was told
  failed INTEGER NOT NULL,                    -- of these, those without a good and whole answer
  request_bytes INTEGER NOT NULL,
  answer_bytes INTEGER NOT NULL,
  stated INTEGER NOT NULL,                    -- calls whose answer stated tokens
  input_tokens INTEGER NOT NULL,
  cached_input_tokens INTEGER NOT NULL,       -- of input_tokens
  output_tokens INTEGER NOT NULL,
  priced INTEGER NOT NULL,                    -- of those that stated tokens, those for whose model a price was stated then
  nano_usd INTEGER NOT NULL,                  -- what these come to, in billionths of a dollar
  version INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,                -- epoch milliseconds
  PRIMARY KEY (user_id, day, provider, own_key)
);
CREATE INDEX usage_days_by_day ON usage_days (day, user_id);

CREATE TABLE container_days (
  user_id TEXT NOT NULL,
  day INTEGER NOT NULL,
  tier INTEGER NOT NULL,
  ms INTEGER NOT NULL,                        -- for which a container of this tier ran
  version INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, day, tier)
);
CREATE INDEX container_days_by_day ON container_days (day, user_id);

-- From a row's day on, until the next row of the user.
CREATE TABLE storage_days (
  user_id TEXT NOT NULL,
  day INTEGER NOT NULL,
  bytes INTEGER NOT NULL,                     -- of the user's snapshots
  version INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, day)
);
