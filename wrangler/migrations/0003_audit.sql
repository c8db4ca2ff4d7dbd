-- Copies of the audit chains that objects keep, for search. A row is never written over: it bears witness to what the object had.
CREATE TABLE audit (
  chain TEXT NOT NULL,                        -- control-plane, exec:<user id>, sandbox:<user id>
  seq INTEGER NOT NULL,                       -- counts from 1 within a chain
  at INTEGER NOT NULL,                        -- epoch milliseconds
  actor TEXT NOT NULL,                        -- bootstrap, key:<id>, user:<id>, system
  action TEXT NOT NULL,                       -- <thing>.<done>
  target TEXT NOT NULL,                       -- an id
  request_id TEXT NOT NULL,
  detail TEXT NOT NULL,                       -- JSON without secrets
  previous TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (chain, seq)
);
CREATE INDEX audit_by_time ON audit (at);
CREATE INDEX audit_by_target ON audit (target);
