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
    ids text[];
    there text[] := '{}';
    removed bigint;
    active timestamptz;
BEGIN
    PERFORM recollect.lock_partition('session', in_scope, in_session);
    SELECT * INTO head FROM recollect.sessions WHERE scope = in_scope AND session_id = in_session FOR UPDATE;
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
    IF NOT is_new THEN
        ids := ARRAY(SELECT g.id FROM json_to_recordset(in_rows) AS g (id text));
        IF EXISTS (SELECT FROM recollect.messages WHERE session_no = head.session_no AND expires_at <= in_now) THEN
            DELETE FROM recollect.messages
            WHERE session_no = head.session_no AND expires_at <= in_now AND id = ANY (ids);
            GET DIAGNOSTICS removed = ROW_COUNT;
            head.message_count := head.message_count - removed;
        END IF;
        there := ARRAY(SELECT id FROM recollect.messages WHERE session_no = head.session_no AND id = ANY (ids));
    END IF;
    WITH made AS (
        INSERT INTO recollect.messages (session_no, seq, scope, session_id, id, role, content, parts, name, user_id,
            metadata, metadata_exact, tool_calls, tool_call_id, extra, created_at, expires_at, tokens, terms)
        SELECT head.session_no, head.last_seq + row_number() OVER (ORDER BY g.n), in_scope, in_session, g.id, g.role,
            g.content, g.parts::json, g.name, head.user_id, coalesce(g.metadata, '{}')::jsonb, g.metadata_exact::json,
            g.tool_calls::json, g.tool_call_id, coalesce(g.extra, '{}')::json, g.created_at, g.expires_at, coalesce(g.tokens, 0),
            coalesce(g.terms, '')
        FROM json_to_recordset(in_rows) AS g (
            n bigint, id text, role text, content text, parts text, name text, metadata text, metadata_exact text,
            tool_calls text, tool_call_id text, extra text, created_at timestamptz, expires_at timestamptz,
            tokens bigint, terms text)
        WHERE g.id COLLATE "C" NOT IN (SELECT unnest(there))
        RETURNING created_at
    )
    SELECT count(*), max(least(created_at, in_now)) INTO written, active FROM made;
    IF written > 0 THEN
        head.feed_tx := recollect.note(
            in_scope, 'append', 'messages', in_session, first, head.last_seq + written, in_now);
    END IF;
    UPDATE recollect.sessions SET
        user_id = head.user_id,
        message_count = head.message_count + written,
        last_seq = head.last_seq + written,
        updated_at = greatest(head.updated_at, active),
        expires_at = CASE WHEN head.ttl IS NULL THEN head.expires_at ELSE in_now + make_interval(secs => head.ttl) END,
        feed_tx = head.feed_tx
    WHERE session_no = head.session_no;
    outcome := 'ok';
    RETURN NEXT;
    IF cardinality(there) > 0 THEN
        RETURN QUERY
        SELECT 'known', owner, first, written, m FROM recollect.messages AS m
        WHERE m.session_no = head.session_no AND m.id = ANY (there);
    END IF;
END
$recollect$;

-- Many appends at once, each for itself. All locks are taken first, in one order, so that two of these never wait for
-- each other. in_heads: a JSON array, an object for each append. in_rows: what append_rows takes, a line for each.
CREATE FUNCTION recollect.append_many(in_now timestamptz, in_heads json, in_rows text)
RETURNS TABLE (place bigint, outcome text, owner text, first bigint, written bigint, known recollect.messages)
LANGUAGE plpgsql AS $recollect$
DECLARE
    each record;
    lines text[] := string_to_array(in_rows, chr(10));
BEGIN
    PERFORM recollect.lock_partition('session', o.scope, o.session)
    FROM (
        SELECT DISTINCT g.scope COLLATE "C" AS scope, g.session COLLATE "C" AS session
        FROM json_to_recordset(in_heads) AS g (scope text, session text) ORDER BY 1, 2
    ) AS o;
    FOR each IN
        SELECT * FROM json_to_recordset(in_heads) AS g (
            n bigint, scope text, session text, owner text, begun timestamptz, expires timestamptz, ttl double precision)
    LOOP
        RETURN QUERY
        SELECT each.n, a.* FROM recollect.append_rows(
            each.scope, each.session, each.owner, each.begun, each.expires, each.ttl, in_now,
            lines[each.n + 1]::json) AS a;
    END LOOP;
END
$recollect$;
