-- Puts and deletes. outcome: ok, conflict (version is then the one stored, NULL for none) or absent.
-- in_expect: -2 any, -1 absent, else the version that has to be stored.

CREATE FUNCTION recollect.is_expected(in_expect bigint, in_version bigint) RETURNS boolean
IMMUTABLE LANGUAGE sql AS $recollect$
SELECT in_expect = -2 OR in_expect = coalesce(in_version, -1)
$recollect$;

CREATE FUNCTION recollect.live_count(in_no bigint, in_now timestamptz) RETURNS bigint
STABLE LANGUAGE sql AS $recollect$
SELECT s.message_count - (SELECT count(*) FROM recollect.messages AS x WHERE x.session_no = in_no AND x.expires_at <= in_now)
FROM recollect.sessions AS s WHERE s.session_no = in_no
$recollect$;

CREATE FUNCTION recollect.put_session(
    in_scope text, in_session text, in_user text, in_title text, in_metadata text, in_metadata_exact text,
    in_expires timestamptz, in_ttl double precision, in_expect bigint, in_now timestamptz,
    OUT outcome text, OUT version bigint, OUT message_count bigint, OUT last_seq bigint, OUT created_at timestamptz,
    OUT updated_at timestamptz
)
LANGUAGE plpgsql AS $recollect$
#variable_conflict use_column
DECLARE
    head recollect.sessions;
    is_expired boolean;
    stored bigint;
    entry bigint;
BEGIN
    PERFORM recollect.lock_partition('session', in_scope, in_session);
    SELECT * INTO head FROM recollect.sessions WHERE scope = in_scope AND session_id = in_session FOR UPDATE;
    is_expired := coalesce(head.expires_at <= in_now, false);
    stored := CASE WHEN NOT is_expired THEN head.version END;
    IF NOT recollect.is_expected(in_expect, stored) THEN
        outcome := 'conflict';
        version := stored;
        RETURN;
    END IF;
    IF is_expired THEN
        PERFORM recollect.remove_session(head.session_no);
        PERFORM recollect.note(in_scope, 'delete', 'sessions', in_session, 0, 0, in_now);
        head := NULL;
    END IF;
    entry := recollect.note(in_scope, 'put', 'sessions', in_session, 0, 0, in_now);
    IF head.session_no IS NULL THEN
        INSERT INTO recollect.sessions (scope, session_id, user_id, title, metadata, metadata_exact, created_at,
            updated_at, expires_at, ttl, feed_tx)
        VALUES (in_scope, in_session, in_user, in_title, in_metadata::jsonb, in_metadata_exact::json, in_now,
            in_now, in_expires, in_ttl, entry)
        RETURNING * INTO head;
    ELSE
        IF head.user_id IS DISTINCT FROM in_user THEN
            UPDATE recollect.messages SET user_id = in_user WHERE session_no = head.session_no;
        END IF;
        UPDATE recollect.sessions SET user_id = in_user, title = in_title, metadata = in_metadata::jsonb,
            metadata_exact = in_metadata_exact::json, expires_at = in_expires, ttl = in_ttl, version = version + 1,
            feed_tx = entry
        WHERE session_no = head.session_no
        RETURNING * INTO head;
    END IF;
    outcome := 'ok';
    version := head.version;
    message_count := recollect.live_count(head.session_no, in_now);
    last_seq := head.last_seq;
    created_at := head.created_at;
    updated_at := head.updated_at;
END
$recollect$;

CREATE FUNCTION recollect.put_summary(
    in_scope text, in_session text, in_text text, in_covers bigint, in_metadata text, in_metadata_exact text,
    in_tokens bigint, in_created timestamptz, in_updated timestamptz, in_expect bigint, in_now timestamptz,
    OUT outcome text, OUT version bigint
)
LANGUAGE plpgsql AS $recollect$
#variable_conflict use_column
DECLARE
    head bigint;
    stored bigint;
BEGIN
    PERFORM recollect.lock_partition('session', in_scope, in_session);
    SELECT session_no INTO head FROM recollect.sessions
    WHERE scope = in_scope AND session_id = in_session AND (expires_at IS NULL OR expires_at > in_now)
    FOR UPDATE;
    IF head IS NULL THEN
        outcome := 'absent';
        RETURN;
    END IF;
    SELECT y.version INTO stored FROM recollect.summaries AS y WHERE y.session_no = head;
    IF NOT recollect.is_expected(in_expect, stored) THEN
        outcome := 'conflict';
        version := stored;
        RETURN;
    END IF;
    version := coalesce(stored, 0) + 1;
    INSERT INTO recollect.summaries AS y (session_no, scope, session_id, text, covers_seq, metadata, metadata_exact,
        tokens, created_at, updated_at, version)
    VALUES (head, in_scope, in_session, in_text, in_covers, in_metadata::jsonb, in_metadata_exact::json, in_tokens,
        in_created, in_updated, coalesce(stored, 0) + 1)
    ON CONFLICT (session_no) DO UPDATE SET text = excluded.text, covers_seq = excluded.covers_seq,
        metadata = excluded.metadata, metadata_exact = excluded.metadata_exact, tokens = excluded.tokens,
        created_at = excluded.created_at, updated_at = excluded.updated_at, version = excluded.version;
    UPDATE recollect.sessions SET feed_tx = recollect.note(in_scope, 'put', 'summaries', in_session, 0, 0, in_now)
    WHERE session_no = head;
    outcome := 'ok';
END
$recollect$;

CREATE FUNCTION recollect.put_preferences(
    in_scope text, in_user text, in_preferences text, in_exact text, in_created timestamptz, in_updated timestamptz,
    in_expect bigint, in_now timestamptz, OUT outcome text, OUT version bigint
)
LANGUAGE plpgsql AS $recollect$
#variable_conflict use_column
DECLARE
    stored bigint;
BEGIN
    PERFORM recollect.lock_partition('user', in_scope, in_user);
    SELECT p.version INTO stored FROM recollect.preferences AS p WHERE p.scope = in_scope AND p.user_id = in_user;
    IF NOT recollect.is_expected(in_expect, stored) THEN
        outcome := 'conflict';
        version := stored;
        RETURN;
    END IF;
    version := coalesce(stored, 0) + 1;
    INSERT INTO recollect.preferences AS p (scope, user_id, preferences, preferences_exact, created_at, updated_at, version)
    VALUES (in_scope, in_user, in_preferences::jsonb, in_exact::json, in_created, in_updated, coalesce(stored, 0) + 1)
    ON CONFLICT (scope, user_id) DO UPDATE SET preferences = excluded.preferences,
        preferences_exact = excluded.preferences_exact, created_at = excluded.created_at,
        updated_at = excluded.updated_at, version = excluded.version;
    PERFORM recollect.note(in_scope, 'put', 'preferences', in_user, 0, 0, in_now);
    outcome := 'ok';
END
$recollect$;

-- How many rows were there to be read. in_table: messages (one of them where in_seq is given), summaries, or NULL for
-- the whole session.
CREATE FUNCTION recollect.delete_of_session(
    in_scope text, in_session text, in_table text, in_seq bigint, in_now timestamptz
) RETURNS bigint
LANGUAGE plpgsql AS $recollect$
DECLARE
    head bigint;
    removed bigint;
    counted bigint := 0;
    entry bigint;
BEGIN
    PERFORM recollect.lock_partition('session', in_scope, in_session);
    SELECT session_no INTO head FROM recollect.sessions
    WHERE scope = in_scope AND session_id = in_session AND (expires_at IS NULL OR expires_at > in_now)
    FOR UPDATE;
    IF head IS NULL THEN
        RETURN 0;
    END IF;
    IF in_table IS NULL OR in_table = 'summaries' THEN
        DELETE FROM recollect.summaries WHERE session_no = head;
        GET DIAGNOSTICS counted = ROW_COUNT;
    END IF;
    IF in_table IS NULL OR in_table = 'messages' THEN
        WITH gone AS (
            DELETE FROM recollect.messages WHERE session_no = head AND (in_seq IS NULL OR seq = in_seq)
            RETURNING expires_at
        )
        SELECT count(*), counted + count(*) FILTER (WHERE expires_at IS NULL OR expires_at > in_now)
        INTO removed, counted FROM gone;
        UPDATE recollect.sessions SET message_count = message_count - removed WHERE session_no = head;
    END IF;
    IF in_table IS NULL THEN
        DELETE FROM recollect.sessions WHERE session_no = head;
        counted := counted + 1;
    END IF;
    IF counted > 0 THEN
        entry := recollect.note(in_scope, 'delete', coalesce(in_table, 'sessions'), in_session,
            coalesce(in_seq, 0), coalesce(in_seq, 0), in_now);
        UPDATE recollect.sessions SET feed_tx = entry WHERE session_no = head;
    END IF;
    RETURN counted;
END
$recollect$;

CREATE FUNCTION recollect.delete_of_user(in_scope text, in_user text, in_now timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $recollect$
DECLARE
    counted bigint;
BEGIN
    PERFORM recollect.lock_partition('user', in_scope, in_user);
    DELETE FROM recollect.preferences WHERE scope = in_scope AND user_id = in_user;
    GET DIAGNOSTICS counted = ROW_COUNT;
    IF counted > 0 THEN
        PERFORM recollect.note(in_scope, 'delete', 'preferences', in_user, 0, 0, in_now);
    END IF;
    RETURN counted;
END
$recollect$;
