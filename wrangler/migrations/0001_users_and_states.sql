-- People, and copies of what each sandbox's object last committed. Lists read here; they never ask a sandbox.
CREATE TABLE users (
  id TEXT PRIMARY KEY,                        -- UUID of the identity provider
  name TEXT NOT NULL COLLATE NOCASE,
  email TEXT COLLATE NOCASE,
  status TEXT NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
  tier INTEGER NOT NULL DEFAULT 1 CHECK (tier BETWEEN 1 AND 3),
  workspace_id TEXT NOT NULL DEFAULT 'default',
  created_at TEXT NOT NULL,                   -- ISO-8601 UTC with milliseconds
  updated_at TEXT NOT NULL
);
CREATE INDEX users_by_name ON users (name);

CREATE TABLE sandbox_states (
  sandbox_id TEXT PRIMARY KEY,
  user_id TEXT NOT NULL,
  sequence INTEGER NOT NULL,                  -- counts the object's events; an older one never overwrites a newer one
  view TEXT NOT NULL,                         -- JSON, molt_common::sandbox_call::SandboxView
  updated_at INTEGER NOT NULL                 -- epoch milliseconds
);
CREATE INDEX sandbox_states_by_user ON sandbox_states (user_id);
