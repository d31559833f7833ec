-- One row a message that an embedder has seen: data is its vector, little-endian half-precision floats. Where the extension
-- pgvector is there, pgvector.sql adds the column embedding, the same as a halfvec.
CREATE TABLE recollect.vectors (
    session_no bigint NOT NULL,
    seq        bigint NOT NULL,
    scope      text COLLATE "C" NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    id         text COLLATE "C" NOT NULL,
    model      text COLLATE "C" NOT NULL,
    data       bytea NOT NULL,
    PRIMARY KEY (session_no, seq)
);

-- A vector goes with its message, whoever deletes that.
CREATE FUNCTION recollect.forget_vectors() RETURNS trigger
LANGUAGE plpgsql AS $recollect$
BEGIN
    DELETE FROM recollect.vectors AS v USING gone AS g WHERE v.session_no = g.session_no AND v.seq = g.seq;
    RETURN NULL;
END
$recollect$;
CREATE TRIGGER messages_gone AFTER DELETE ON recollect.messages REFERENCING OLD TABLE AS gone
FOR EACH STATEMENT EXECUTE FUNCTION recollect.forget_vectors();

-- Keep vectors beside their messages; the numbers of those that are kept. The arrays are of one length, no number twice.
CREATE FUNCTION recollect.attach(
    in_scope text, in_session text, in_seqs bigint[], in_ids text[], in_models text[], in_data bytea[],
    in_now timestamptz
) RETURNS SETOF bigint
LANGUAGE plpgsql AS $recollect$
DECLARE
    head bigint;
BEGIN
    PERFORM recollect.lock_partition('session', in_scope, in_session);
    SELECT session_no INTO head FROM recollect.sessions
    WHERE scope = in_scope AND session_id = in_session AND (expires_at IS NULL OR expires_at > in_now)
    FOR UPDATE;
    IF head IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
    INSERT INTO recollect.vectors AS v (session_no, seq, scope, session_id, id, model, data)
    SELECT head, m.seq, in_scope, in_session, m.id, g.model, g.data
    FROM unnest(in_seqs, in_ids, in_models, in_data) AS g (seq, id, model, data)
    CROSS JOIN LATERAL (
        SELECT x.seq, x.id FROM recollect.messages AS x
        WHERE x.session_no = head AND x.seq = g.seq AND x.id = g.id AND (x.expires_at IS NULL OR x.expires_at > in_now)
        LIMIT 1
    ) AS m
    ON CONFLICT (session_no, seq) DO UPDATE SET id = excluded.id, model = excluded.model, data = excluded.data
    RETURNING v.seq;
END
$recollect$;
