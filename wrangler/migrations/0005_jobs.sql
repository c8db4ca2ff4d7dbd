-- What each job's object last announced of it. Lists read here; one job is read from its object, which is the truth.
CREATE TABLE jobs (
  job_id TEXT PRIMARY KEY,                    -- molt_common::job_id::JobId
  kind TEXT NOT NULL,
  user_id TEXT,                               -- whose sandbox it works on; NULL for a job about many
  parent TEXT,                                -- id of the job that it is a part of
  state TEXT NOT NULL,
  created_at INTEGER NOT NULL,                -- epoch milliseconds
  version INTEGER NOT NULL,                   -- counts the object's announcements; an older one never overwrites a newer one
  view TEXT NOT NULL,                         -- JSON, molt_common::api::jobs::JobView
  updated_at INTEGER NOT NULL                 -- epoch milliseconds; 30 days after the last announcement the row goes
);
CREATE INDEX jobs_by_time ON jobs (created_at DESC, job_id DESC);
CREATE INDEX jobs_by_user ON jobs (user_id, created_at DESC, job_id DESC);
CREATE INDEX jobs_by_parent ON jobs (parent, created_at DESC, job_id DESC);
CREATE INDEX jobs_by_state ON jobs (state, created_at DESC, job_id DESC);
CREATE INDEX jobs_by_update ON jobs (updated_at);
