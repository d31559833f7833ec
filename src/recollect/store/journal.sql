-- The journal of appends that the store could not take: what waits for it, and what it refused.
CREATE TABLE recollect_buffer (
    entry INTEGER PRIMARY KEY AUTOINCREMENT,  -- the order of the appends
    store TEXT NOT NULL,                      -- the URL of the store that they are for, without passwords
    scope TEXT NOT NULL,
    session_id TEXT NOT NULL,
    user_id TEXT,
    appended_at TEXT NOT NULL,                -- the instant of the append, from which lifetimes count
    ttl REAL,                                 -- of a session that the append begins
    sliding INTEGER NOT NULL,
    messages INTEGER NOT NULL,                -- how many
    body TEXT NOT NULL,                       -- {"rows": [...], "terms": [...]}
    bytes INTEGER NOT NULL,                   -- of the body
    error TEXT,                               -- why the store refused it; NULL: it waits
    reason TEXT
) STRICT;
CREATE INDEX recollect_buffer_waiting ON recollect_buffer (store, entry) WHERE error IS NULL;
CREATE INDEX recollect_buffer_sessions ON recollect_buffer (store, scope, session_id, entry) WHERE error IS NULL;
CREATE INDEX recollect_buffer_refused ON recollect_buffer (store, entry) WHERE error IS NOT NULL;
CREATE TABLE recollect_buffer_size (bytes INTEGER NOT NULL) STRICT;
INSERT INTO recollect_buffer_size VALUES (0);
