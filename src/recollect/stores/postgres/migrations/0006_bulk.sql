-- An append in two halves, what goes before the rows and what goes behind them: between the two the rows are written by
-- append_rows, or by COPY for many sessions at once.

-- Take the session's turn and see to its header: the first half. is_refused: it belongs to another user (owner).
-- there: those of in_ids that are in the session already.
CREATE FUNCTION recollect.enter_session(
    in_scope text, in_session text, in_user text, in_begun timestamptz, in_expires timestamptz, in_ttl double precision,
    in_now timestamptz, in_ids text[],
    OUT session_no bigint, OUT owner text, OUT is_refused boolean, OUT last_seq bigint, OUT there text[]
)
LANGUAGE plpgsql AS $recollect$
#variable_conflict use_column
DECLARE
    head recollect.sessions;
    removed bigint;
BEGIN
    is_refused := false;
    there := '{}';
    PERFORM recollect.lock_partition('session', in_scope, in_session);
    SELECT * INTO head FROM recollect.sessions WHERE scope = in_scope AND session_id = in_session FOR UPDATE;
    IF head.expires_at <= in_now THEN
        PERFORM recollect.remove_session(head.session_no);
        PERFORM recollect.note(in_scope, 'delete', 'sessions', in_session, 0, 0, in_now);
        head := NULL;
    END IF;
    IF head.session_no IS NULL THEN
        INSERT INTO recollect.sessions (scope, session_id, user_id, created_at, updated_at, expires_at, ttl)
        VALUES (in_scope, in_session, in_user, in_begun, in_begun, in_expires, in_ttl)
        RETURNING * INTO head;
        session_no := head.session_no;
        owner := head.user_id;
        last_seq := 0;
        RETURN;
    END IF;
    session_no := head.session_no;
    last_seq := head.last_seq;
    owner := head.user_id;
    IF in_user IS NOT NULL AND owner IS DISTINCT FROM in_user THEN
        IF owner IS NOT NULL THEN
            is_refused := true;
            RETURN;
        END IF;
        owner := in_user;
        UPDATE recollect.messages SET user_id = in_user WHERE session_no = head.session_no;
        UPDATE recollect.sessions SET user_id = in_user WHERE session_no = head.session_no;
    END IF;
    IF EXISTS (SELECT FROM recollect.messages WHERE session_no = head.session_no AND expires_at <= in_now) THEN
        DELETE FROM recollect.messages WHERE session_no = head.session_no AND expires_at <= in_now AND id = ANY (in_ids);
        GET DIAGNOSTICS removed = ROW_COUNT;
        IF removed > 0 THEN
            UPDATE recollect.sessions SET message_count = message_count - removed WHERE session_no = head.session_no;
        END IF;
    END IF;
    -- Each id in the one index that has its order, whatever the planner believes of a table that was small.
    there := ARRAY(
        SELECT m.id FROM unnest(in_ids) AS g (id)
        CROSS JOIN LATERAL (
            SELECT x.id FROM recollect.messages AS x
            WHERE x.session_no = head.session_no AND x.id BETWEEN g.id AND g.id ORDER BY x.id LIMIT 1
        ) AS m
    );
END
$recollect$;

-- Count what was written: the second half. in_active: the latest created_at of the rows, none counted later than now.
CREATE FUNCTION recollect.leave_session(
    in_scope text, in_session text, in_no bigint, in_first bigint, in_written bigint, in_active timestamptz,
    in_now timestamptz
) RETURNS void
LANGUAGE sql AS $recollect$
UPDATE recollect.sessions AS s SET
    message_count = s.message_count + in_written,
    last_seq = s.last_seq + in_written,
    updated_at = greatest(s.updated_at, in_active),
    expires_at = CASE WHEN s.ttl IS NULL THEN s.expires_at ELSE in_now + make_interval(secs => s.ttl) END,
    feed_tx = CASE WHEN in_written = 0 THEN s.feed_tx ELSE recollect.note(
        in_scope, 'append', 'messages', in_session, in_first, in_first + in_written - 1, in_now) END
WHERE s.session_no = in_no
$recollect$;

CREATE OR REPLACE FUNCTION recollect.append_rows(
    in_scope text, in_session text, in_user text, in_begun timestamptz, in_expires timestamptz, in_ttl double precision,
    in_now timestamptz, in_rows json
) RETURNS TABLE (outcome text, owner text, first bigint, written bigint, known recollect.messages)
LANGUAGE plpgsql AS $recollect$
#variable_conflict use_column
DECLARE
    head record;
    active timestamptz;
BEGIN
    SELECT * INTO head FROM recollect.enter_session(in_scope, in_session, in_user, in_begun, in_expires, in_ttl, in_now,
        ARRAY(SELECT g.id FROM json_to_recordset(in_rows) AS g (id text)));
    owner := head.owner;
    IF head.is_refused THEN
        RETURN QUERY SELECT 'owner', owner, 0::bigint, 0::bigint, NULL::recollect.messages;
        RETURN;
    END IF;
    first := head.last_seq + 1;
    WITH made AS (
        INSERT INTO recollect.messages (session_no, seq, scope, session_id, id, role, content, parts, name, user_id,
            metadata, metadata_exact, tool_calls, tool_call_id, extra, created_at, expires_at, tokens, terms)
        SELECT head.session_no, head.last_seq + row_number() OVER (ORDER BY g.n), in_scope, in_session, g.id, g.role,
            g.content, g.parts::json, g.name, head.owner, coalesce(g.metadata, '{}')::jsonb, g.metadata_exact::json,
            g.tool_calls::json, g.tool_call_id, coalesce(g.extra, '{}')::json, g.created_at, g.expires_at, coalesce(g.tokens, 0),
            coalesce(g.terms, '')
        FROM json_to_recordset(in_rows) AS g (
            n bigint, id text, role text, content text, parts text, name text, metadata text, metadata_exact text,
            tool_calls text, tool_call_id text, extra text, created_at timestamptz, expires_at timestamptz,
            tokens bigint, terms text)
        WHERE g.id COLLATE "C" NOT IN (SELECT unnest(head.there))
        RETURNING created_at
    )
    SELECT count(*), max(least(created_at, in_now)) INTO written, active FROM made;
    PERFORM recollect.leave_session(in_scope, in_session, head.session_no, first, written, active, in_now);
    outcome := 'ok';
    RETURN NEXT;
    IF cardinality(head.there) > 0 THEN
        RETURN QUERY
        SELECT 'known', owner, first, written, m FROM recollect.messages AS m
        WHERE m.session_no = head.session_no AND m.id = ANY (head.there);
    END IF;
END
$recollect$;

-- Many appends by COPY: what goes before, and what goes behind. in_heads: a JSON array, an object for each append, no
-- session twice. All locks are taken first, in one order, so that two of these never wait for each other.
CREATE FUNCTION recollect.enter_many(in_now timestamptz, in_heads json)
RETURNS TABLE (
    place bigint, session_no bigint, owner text, is_refused boolean, last_seq bigint, known recollect.messages
)
LANGUAGE plpgsql AS $recollect$
#variable_conflict use_column
DECLARE
    each record;
    head record;
BEGIN
    PERFORM recollect.lock_partition('session', o.scope, o.session)
    FROM (
        SELECT g.scope COLLATE "C" AS scope, g.session COLLATE "C" AS session
        FROM json_to_recordset(in_heads) AS g (scope text, session text) ORDER BY 1, 2
    ) AS o;
    FOR each IN
        SELECT * FROM json_to_recordset(in_heads) AS g (
            n bigint, scope text, session text, owner text, begun timestamptz, expires timestamptz, ttl double precision,
            ids json)
    LOOP
        SELECT * INTO head FROM recollect.enter_session(each.scope, each.session, each.owner, each.begun, each.expires,
            each.ttl, in_now, ARRAY(SELECT json_array_elements_text(each.ids)));
        RETURN QUERY SELECT each.n, head.session_no, head.owner, head.is_refused, head.last_seq, NULL::recollect.messages;
        IF cardinality(head.there) > 0 THEN
            RETURN QUERY
            SELECT each.n, head.session_no, head.owner, false, head.last_seq, m FROM recollect.messages AS m
            WHERE m.session_no = head.session_no AND m.id = ANY (head.there);
        END IF;
    END LOOP;
END
$recollect$;

CREATE FUNCTION recollect.leave_many(in_now timestamptz, in_heads json) RETURNS void
LANGUAGE plpgsql AS $recollect$
DECLARE
    each record;
BEGIN
    FOR each IN
        SELECT * FROM json_to_recordset(in_heads) AS g (
            scope text, session text, no bigint, first bigint, written bigint, active timestamptz)
    LOOP
        PERFORM recollect.leave_session(
            each.scope, each.session, each.no, each.first, each.written, each.active, in_now);
    END LOOP;
END
$recollect$;
