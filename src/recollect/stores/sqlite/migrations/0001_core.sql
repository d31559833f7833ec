CREATE TABLE recollect_meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;

-- One row a session: its header. The counters are kept by every append in the same transaction.
-- active_minute is the minute of updated_at: the indexes by activity hold it, so that an append
-- touches them once a minute and not each time. first_message_at and last_message_at bound the
-- created_at of its messages; time_ordered says that created_at grows with seq, so that a stretch of
-- time can be found by halving. With these a user's messages are read across sessions without an
-- index that every append would have to write.
CREATE TABLE recollect_sessions (
    session_no      INTEGER PRIMARY KEY,
    scope           TEXT    NOT NULL,
    session_id      TEXT    NOT NULL,
    user_id         TEXT,
    title           TEXT,
    metadata        TEXT    NOT NULL DEFAULT '{}',
    message_count   INTEGER NOT NULL DEFAULT 0,
    last_seq        INTEGER NOT NULL DEFAULT 0,
    created_at      TEXT    NOT NULL,
    updated_at      TEXT    NOT NULL,
    active_minute   TEXT    NOT NULL,
    expires_at      TEXT,
    ttl             REAL,
    version         INTEGER NOT NULL DEFAULT 1,
    first_message_at TEXT   NOT NULL DEFAULT '9',
    last_message_at TEXT    NOT NULL DEFAULT '',
    time_ordered    INTEGER NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX recollect_sessions_key ON recollect_sessions (scope, session_id);
CREATE INDEX recollect_sessions_activity ON recollect_sessions (scope, active_minute);
CREATE INDEX recollect_sessions_user ON recollect_sessions (scope, user_id, active_minute) WHERE user_id IS NOT NULL;
CREATE INDEX recollect_sessions_expiry ON recollect_sessions (expires_at) WHERE expires_at IS NOT NULL;

-- One row a message, clustered by session and number: position = session_no << 32 | seq.
-- content is the readable text; parts the provider's list of parts, where there is one.
-- terms is what the full-text index below holds.
CREATE TABLE recollect_messages (
    position     INTEGER PRIMARY KEY,
    scope        TEXT    NOT NULL,
    session_id   TEXT    NOT NULL,
    session_no   INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    id           TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    content      TEXT,
    parts        TEXT,
    name         TEXT,
    user_id      TEXT,
    metadata     TEXT    NOT NULL,
    tool_calls   TEXT,
    tool_call_id TEXT,
    extra        TEXT    NOT NULL,
    created_at   TEXT    NOT NULL,
    expires_at   TEXT,
    tokens       INTEGER NOT NULL,
    terms        TEXT    NOT NULL
);
CREATE UNIQUE INDEX recollect_messages_id ON recollect_messages (session_no, id);
CREATE INDEX recollect_messages_system ON recollect_messages (session_no, seq) WHERE role = 'system';
CREATE INDEX recollect_messages_expiry ON recollect_messages (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX recollect_messages_expired ON recollect_messages (session_no, expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE recollect_summaries (
    session_no INTEGER PRIMARY KEY,
    scope      TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    covers_seq INTEGER NOT NULL,
    metadata   TEXT    NOT NULL,
    tokens     INTEGER NOT NULL,
    created_at TEXT    NOT NULL,
    updated_at TEXT    NOT NULL,
    version    INTEGER NOT NULL
);

CREATE TABLE recollect_preferences (
    scope       TEXT    NOT NULL,
    user_id     TEXT    NOT NULL,
    preferences TEXT    NOT NULL,
    created_at  TEXT    NOT NULL,
    updated_at  TEXT    NOT NULL,
    version     INTEGER NOT NULL,
    PRIMARY KEY (scope, user_id)
) WITHOUT ROWID;

-- The feed: one row for each operation that changed something, in commit order.
CREATE TABLE recollect_changes (
    id           INTEGER PRIMARY KEY,
    scope        TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    table_name   TEXT    NOT NULL,
    partition_id TEXT    NOT NULL,
    session_no   INTEGER,
    first_seq    INTEGER NOT NULL,
    last_seq     INTEGER NOT NULL,
    at           TEXT    NOT NULL
);

-- Up to which entry the feed of a scope is swept.
CREATE TABLE recollect_swept (
    scope     TEXT PRIMARY KEY,
    change_id INTEGER NOT NULL
) WITHOUT ROWID;

-- Terms come made by the analyzer, separated by spaces: everything else is part of a term.
CREATE VIRTUAL TABLE recollect_terms USING fts5 (
    terms,
    content = 'recollect_messages',
    content_rowid = 'position',
    tokenize = "unicode61 remove_diacritics 0 categories 'L* M* N* P* S* C*'"
);
CREATE VIRTUAL TABLE recollect_vocabulary USING fts5vocab ('recollect_terms', 'row');

-- swept_change: feed entries of all scopes up to it are gone. indexed_change: appends up to it are in recollect_terms,
-- later ones are found by reading them. indexed_rows: how many rows recollect_terms holds.
INSERT INTO recollect_meta (name, value)
VALUES ('swept_change', 0), ('indexed_change', 0), ('indexed_rows', 0), ('deleted_since_scrub', 0);
