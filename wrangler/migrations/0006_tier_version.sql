-- A tier that was changed is copied from the sandbox's object, which counts its changes: an older one never overwrites a newer one.
ALTER TABLE users ADD COLUMN tier_version INTEGER NOT NULL DEFAULT 0;
