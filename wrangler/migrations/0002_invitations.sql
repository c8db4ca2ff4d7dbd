-- Who may become a user where sign-up is by invitation. Using one and making its user are one transaction.
CREATE TABLE invitations (
  email TEXT PRIMARY KEY COLLATE NOCASE,
  created_at TEXT NOT NULL,                   -- ISO-8601 UTC with milliseconds
  invited_by TEXT NOT NULL,                   -- id of the principal
  used_at TEXT,                               -- ISO-8601 UTC with milliseconds
  used_by TEXT                                -- id of the user it made
);
