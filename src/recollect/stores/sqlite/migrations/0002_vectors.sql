-- One row a message that an embedder has seen: data is its vector, little-endian half-precision floats.
CREATE TABLE recollect_vectors (
    position   INTEGER PRIMARY KEY,
    scope      TEXT    NOT NULL,
    session_id TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    model      TEXT    NOT NULL,
    data       BLOB    NOT NULL
);
