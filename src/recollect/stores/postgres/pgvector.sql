-- What the extension pgvector adds. "pgvector" stands for the schema that the extension is in, as "recollect" does for ours.

-- The numbers of a vector's data; NULL for what pgvector cannot hold or compare: no dimension or more than 16,000, NaN,
-- infinity, nothing but zeros.
CREATE FUNCTION recollect.halfvec_of(in_data bytea) RETURNS pgvector.halfvec
IMMUTABLE LANGUAGE sql AS $recollect$
SELECT CASE WHEN bool_and(n.e < 31) AND bool_or(n.e > 0 OR n.f > 0) THEN array_agg((
        CASE WHEN n.h < 32768 THEN 1 ELSE -1 END
        * CASE WHEN n.e = 0 THEN n.f * 2.0::float8 ^ (-24) ELSE (n.f + 1024) * 2.0::float8 ^ (n.e - 25) END
    )::real ORDER BY n.i)::pgvector.halfvec END
FROM (
    SELECT i, h, (h >> 10) & 31 AS e, h & 1023 AS f
    FROM generate_series(0, length(in_data) / 2 - 1) AS i,
        LATERAL (SELECT get_byte(in_data, 2 * i) + (get_byte(in_data, 2 * i + 1) << 8) AS h OFFSET 0) AS two
    WHERE length(in_data) % 2 = 0 AND length(in_data) <= 32000
) AS n
$recollect$;

ALTER TABLE recollect.vectors ADD COLUMN embedding pgvector.halfvec
    GENERATED ALWAYS AS (recollect.halfvec_of(data)) STORED;
CREATE INDEX vectors_model ON recollect.vectors (scope, model, (pgvector.vector_dims(embedding)));

-- An index (HNSW) for the vectors of one model and length; more than 4,000 dimensions have none. Gives its name.
CREATE FUNCTION recollect.index_vectors(in_model text, in_dimensions bigint) RETURNS text
LANGUAGE plpgsql AS $recollect$
DECLARE
    name text := 'vectors_' || left(md5(in_dimensions || ':' || in_model), 16);
BEGIN
    IF in_dimensions > 4000 OR in_dimensions < 1 THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('recollect:channel' || name, 7205));
    EXECUTE 'CREATE INDEX IF NOT EXISTS ' || name
        || $q$ ON recollect.vectors USING hnsw ((embedding::pgvector.halfvec($q$ || in_dimensions
        || $q$)) pgvector.halfvec_cosine_ops) WHERE pgvector.vector_dims(embedding) = $q$ || in_dimensions
        || ' AND model = ' || quote_literal(in_model);
    RETURN name;
END
$recollect$;

-- The nearest live messages by cosine. in_few: up to so many vectors in the narrowest of session, user and scope are all
-- compared. Beyond that the index is asked; where it does not give enough (it stops behind hnsw.max_scan_tuples, so a filter
-- that leaves little may run it dry), all are compared after all.
CREATE FUNCTION recollect.nearest(
    in_scope text, in_vector text, in_model text, in_limit bigint, in_few bigint, in_now timestamptz, in_user text,
    in_session text, in_role text, in_since timestamptz, in_until timestamptz
) RETURNS TABLE (session_no bigint, seq bigint, score double precision)
LANGUAGE plpgsql
SET hnsw.iterative_scan = 'strict_order' SET hnsw.ef_search = 400
SET enable_seqscan = off SET enable_sort = off SET plan_cache_mode = force_custom_plan
AS $recollect$
DECLARE
    wanted pgvector.halfvec := in_vector::pgvector.halfvec;
    size text := '(' || pgvector.vector_dims(wanted) || ')';
    owned bigint;
    of_whom text := 'v.scope = $2';
    of_what text;
    whose text;
    how_many bigint;
    numbers bigint[];
    seqs bigint[];
    scores float8[];
BEGIN
    IF in_session IS NOT NULL THEN
        SELECT s.session_no INTO owned FROM recollect.sessions AS s
        WHERE s.scope = in_scope AND s.session_id = in_session;
        of_whom := 'v.session_no = $7 AND v.scope = $2';
    ELSIF in_user IS NOT NULL THEN
        of_whom := 'm.scope = $2 AND m.user_id = $4';
    END IF;
    of_what := $q$ pgvector.vector_dims(v.embedding) = $q$ || size || ' AND v.model = ' || quote_literal(in_model);
    whose := $q$ FROM recollect.vectors AS v
        JOIN recollect.messages AS m ON m.session_no = v.session_no AND m.seq = v.seq
        WHERE (m.expires_at IS NULL OR m.expires_at > $3) AND EXISTS (
            SELECT FROM recollect.sessions AS s
            WHERE s.session_no = v.session_no AND (s.expires_at IS NULL OR s.expires_at > $3)) AND $q$
        || of_whom || ' AND' || of_what
        || CASE WHEN in_user IS NULL THEN '' ELSE ' AND m.user_id = $4' END
        || CASE WHEN in_role IS NULL THEN '' ELSE ' AND m.role = $5' END
        || CASE WHEN in_since IS NULL THEN '' ELSE ' AND m.created_at >= $6' END
        || CASE WHEN in_until IS NULL THEN '' ELSE ' AND m.created_at < $8' END;
    EXECUTE $q$SELECT count(*) FROM (SELECT FROM recollect.vectors AS v$q$
        || CASE WHEN in_session IS NOT NULL OR in_user IS NULL THEN ''
            ELSE $q$ JOIN recollect.messages AS m ON m.session_no = v.session_no AND m.seq = v.seq$q$ END
        || ' WHERE ' || of_whom || ' AND' || of_what || ' LIMIT $9 + 1) AS x'
    INTO how_many USING wanted, in_scope, in_now, in_user, in_role, in_since, owned, in_until, in_few;
    IF how_many > in_few THEN
        EXECUTE $q$SELECT array_agg(x.session_no), array_agg(x.seq), array_agg(1 - x.distance) FROM (
            SELECT v.session_no, v.seq, v.embedding::pgvector.halfvec$q$ || size || $q$ OPERATOR(pgvector.<=>) $1 AS distance$q$
            || whose || $q$ ORDER BY v.embedding::pgvector.halfvec$q$ || size || $q$ OPERATOR(pgvector.<=>) $1 LIMIT $9
            ) AS x$q$
        INTO numbers, seqs, scores USING wanted, in_scope, in_now, in_user, in_role, in_since, owned, in_until, in_limit;
        IF cardinality(numbers) >= in_limit THEN
            RETURN QUERY SELECT * FROM unnest(numbers, seqs, scores);
            RETURN;
        END IF;
    END IF;
    RETURN QUERY EXECUTE 'WITH c AS MATERIALIZED (SELECT v.session_no, v.seq, v.embedding' || whose
        || $q$) SELECT c.session_no, c.seq, 1 - (c.embedding OPERATOR(pgvector.<=>) $1) FROM c
            ORDER BY c.embedding OPERATOR(pgvector.<=>) $1 LIMIT $9$q$
    USING wanted, in_scope, in_now, in_user, in_role, in_since, owned, in_until, in_limit;
END
$recollect$;
