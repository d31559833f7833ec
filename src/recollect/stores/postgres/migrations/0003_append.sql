-- Append messages: the whole of it in one call. The first row of the answer says how it went (outcome: ok, or
-- owner where the session belongs to another user); then come those of the rows that were there already.
-- in_rows: JSON objects, no id twice. in_begun: the created_at of a new header. in_expires, in_ttl: its lifetime.
CREATE FUNCTION recollect.append_rows(
    in_scope text, in_session text, in_user text, in_begun timestamptz, in_expires timestamptz, in_ttl double precision,
    in_now timestamptz, in_rows json
) RETURNS TABLE (outcome text, owner text, first bigint, written bigint, known recollect.messages)
LANGUAGE plpgsql AS $recollect$
#variable_conflict use_column
DECLARE
    head recollect.sessions;
    is_new boolean := false;
    removed bigint;
    active timestamptz;
BEGIN
    PERFORM recollect.lock_partition('session', in_scope, in_session);
    SELECT * INTO head FROM recollect.sessions WHERE scope = in_scope AND session_id = in_session;
    IF head.expires_at <= in_now THEN
        PERFORM recollect.remove_session(head.session_no);
        PERFORM recollect.note(in_scope, 'delete', 'sessions', in_session, 0, 0, in_now);
        head := NULL;
    END IF;
    IF head.session_no IS NULL THEN
        is_new := true;
        INSERT INTO recollect.sessions (scope, session_id, user_id, created_at, updated_at, expires_at, ttl)
        VALUES (in_scope, in_session, in_user, in_begun, in_begun, in_expires, in_ttl)
        RETURNING * INTO head;
    ELSIF in_user IS NOT NULL AND head.user_id IS DISTINCT FROM in_user THEN
        IF head.user_id IS NOT NULL THEN
            RETURN QUERY SELECT 'owner', head.user_id, 0::bigint, 0::bigint, NULL::recollect.messages;
            RETURN;
        END IF;
        head.user_id := in_user;
        UPDATE recollect.messages SET user_id = in_user WHERE session_no = head.session_no;
    END IF;
    owner := head.user_id;
    first := head.last_seq + 1;
    IF head.last_seq > 0 THEN
        DELETE FROM recollect.messages AS m USING json_to_recordset(in_rows) AS g (id text)
        WHERE m.session_no = head.session_no AND m.id = g.id COLLATE "C" AND m.expires_at <= in_now;
        GET DIAGNOSTICS removed = ROW_COUNT;
        head.message_count := head.message_count - removed;
    END IF;
    WITH made AS (
        INSERT INTO recollect.messages (session_no, seq, scope, session_id, id, role, content, parts, name, user_id,
            metadata, metadata_exact, tool_calls, tool_call_id, extra, created_at, expires_at, tokens, terms)
        SELECT head.session_no, head.last_seq + row_number() OVER (ORDER BY g.n), in_scope, in_session, g.id, g.role,
            g.content, g.parts::json, g.name, head.user_id, coalesce(g.metadata, '{}')::jsonb, g.metadata_exact::json,
            g.tool_calls::json, g.tool_call_id, coalesce(g.extra, '{}')::json, g.created_at, g.expires_at, g.tokens,
            coalesce(g.terms, '')
        FROM json_to_recordset(in_rows) AS g (
            n bigint, id text, role text, content text, parts text, name text, metadata text, metadata_exact text,
            tool_calls text, tool_call_id text, extra text, created_at timestamptz, expires_at timestamptz,
            tokens bigint, terms text)
        WHERE is_new OR NOT EXISTS (
            SELECT FROM recollect.messages AS k WHERE k.session_no = head.session_no AND k.id = g.id COLLATE "C")
        RETURNING created_at
    )
    SELECT count(*), max(least(created_at, in_now)) INTO written, active FROM made;
    UPDATE recollect.sessions SET
        user_id = head.user_id,
        message_count = head.message_count + written,
        last_seq = head.last_seq + written,
        updated_at = greatest(head.updated_at, active),
        expires_at = CASE WHEN head.ttl IS NULL THEN head.expires_at ELSE in_now + make_interval(secs => head.ttl) END
    WHERE session_no = head.session_no;
    IF written > 0 THEN
        PERFORM recollect.note(in_scope, 'append', 'messages', in_session, first, head.last_seq + written, in_now);
    END IF;
    outcome := 'ok';
    RETURN NEXT;
    IF written < json_array_length(in_rows) THEN
        RETURN QUERY
        SELECT 'known', owner, first, written, m
        FROM json_to_recordset(in_rows) AS g (id text)
        JOIN recollect.messages AS m ON m.session_no = head.session_no AND m.id = g.id COLLATE "C"
        WHERE m.seq < first;
    END IF;
END
$recollect$;

-- Many appends at once, each for itself. All locks are taken first, in one order, so that two of these never wait for
-- each other.
CREATE FUNCTION recollect.append_many(in_now timestamptz, in_appends json)
RETURNS TABLE (place bigint, outcome text, owner text, first bigint, written bigint, known recollect.messages)
LANGUAGE plpgsql AS $recollect$
DECLARE
    each record;
BEGIN
    PERFORM recollect.lock_partition('session', o.scope, o.session)
    FROM (
        SELECT DISTINCT g.scope COLLATE "C" AS scope, g.session COLLATE "C" AS session
        FROM json_to_recordset(in_appends) AS g (scope text, session text) ORDER BY 1, 2
    ) AS o;
    FOR each IN
        SELECT * FROM json_to_recordset(in_appends) AS g (
            n bigint, scope text, session text, owner text, begun timestamptz, expires timestamptz,
            ttl double precision, rows json)
    LOOP
        RETURN QUERY
        SELECT each.n, a.* FROM recollect.append_rows(
            each.scope, each.session, each.owner, each.begun, each.expires, each.ttl, in_now, each.rows) AS a;
    END LOOP;
END
$recollect$;

-- Append one message: the short way for a session that is there and an id that is not, the long way for the rest.
-- Every row whose id was there already comes back in known.
CREATE FUNCTION recollect.append_one(
    in_scope text, in_session text, in_user text, in_begun timestamptz, in_expires timestamptz, in_ttl double precision,
    in_now timestamptz, in_id text, in_role text, in_content text, in_parts text, in_name text, in_metadata text,
    in_metadata_exact text, in_tool_calls text, in_tool_call_id text, in_extra text, in_created timestamptz,
    in_message_expires timestamptz, in_tokens bigint, in_terms text,
    OUT outcome text, OUT owner text, OUT first bigint, OUT written bigint, OUT known recollect.messages
)
LANGUAGE plpgsql AS $recollect$
DECLARE
    head record;
    followed boolean;
    rows json;
    each record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('session' || chr(1) || in_scope || chr(1) || in_session, 7203));
    SELECT session_no, last_seq, user_id, expires_at, ttl, updated_at INTO head
    FROM recollect.sessions WHERE scope = in_scope AND session_id = in_session;
    IF head.session_no IS NOT NULL AND (head.expires_at IS NULL OR head.expires_at > in_now)
        AND (in_user IS NULL OR head.user_id = in_user)
    THEN
        first := head.last_seq + 1;
        owner := head.user_id;
        INSERT INTO recollect.messages (session_no, seq, scope, session_id, id, role, content, parts, name, user_id,
            metadata, metadata_exact, tool_calls, tool_call_id, extra, created_at, expires_at, tokens, terms)
        VALUES (head.session_no, first, in_scope, in_session, in_id, in_role, in_content, in_parts::json, in_name,
            owner, in_metadata::jsonb, in_metadata_exact::json, in_tool_calls::json, in_tool_call_id, in_extra::json,
            in_created, in_message_expires, in_tokens, in_terms)
        ON CONFLICT (session_no, id) DO NOTHING;
        IF FOUND THEN
            UPDATE recollect.sessions SET
                message_count = message_count + 1,
                last_seq = first,
                updated_at = greatest(head.updated_at, least(in_created, in_now)),
                expires_at = CASE WHEN head.ttl IS NULL THEN head.expires_at
                    ELSE in_now + make_interval(secs => head.ttl) END
            WHERE session_no = head.session_no;
            INSERT INTO recollect.changes (scope, kind, table_name, partition_id, first_seq, last_seq, at)
            VALUES (in_scope, 'append', 'messages', in_session, first, first, in_now)
            RETURNING EXISTS (SELECT FROM recollect.followers WHERE until > clock_timestamp()) INTO followed;
            IF followed THEN
                PERFORM pg_notify('recollect:channel', in_scope);
            END IF;
            outcome := 'ok';
            written := 1;
            RETURN;
        END IF;
    END IF;
    rows := json_build_array(json_build_object(
        'n', 0, 'id', in_id, 'role', in_role, 'content', in_content, 'parts', in_parts, 'name', in_name,
        'metadata', in_metadata, 'metadata_exact', in_metadata_exact, 'tool_calls', in_tool_calls,
        'tool_call_id', in_tool_call_id, 'extra', in_extra, 'created_at', in_created,
        'expires_at', in_message_expires, 'tokens', in_tokens, 'terms', in_terms));
    FOR each IN
        SELECT * FROM recollect.append_rows(
            in_scope, in_session, in_user, in_begun, in_expires, in_ttl, in_now, rows) AS a
    LOOP
        outcome := each.outcome;
        owner := each.owner;
        first := each.first;
        written := each.written;
        known := each.known;
    END LOOP;
END
$recollect$;
