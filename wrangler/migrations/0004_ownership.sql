-- With whom each user is while what ran before is still there, out of what his object announced; NULL where nothing was ever decided.
ALTER TABLE sandbox_states ADD COLUMN owner TEXT GENERATED ALWAYS AS (json_extract(view, '$.placement.owner')) VIRTUAL;
ALTER TABLE sandbox_states ADD COLUMN epoch INTEGER GENERATED ALWAYS AS (json_extract(view, '$.placement.epoch')) VIRTUAL;
ALTER TABLE sandbox_states ADD COLUMN moving INTEGER GENERATED ALWAYS AS (json_extract(view, '$.placement.moving')) VIRTUAL;
ALTER TABLE sandbox_states ADD COLUMN refused TEXT GENERATED ALWAYS AS (json_extract(view, '$.placement.refused')) VIRTUAL;
CREATE INDEX sandbox_states_by_owner ON sandbox_states (owner, user_id);
