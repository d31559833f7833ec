-- One message more for a session that is there: the common case, as one statement. No row comes back where another way is
-- needed: no session, or an expired one, another owner, an id that is there already. The header's row is what writers of
-- a session take turns at. feed_tx is read behind that turn, so the entry of the feed goes behind those of all earlier
-- turns, also if this transaction's id is older than theirs.
-- Commits that notify take turns, server-wide. So of those that commit at the same time only one does, the one that has the
-- lock; who is woken by it looks until all have ended. Nothing is done behind this that could fail.
-- Written so that no plan reads more than one row of an index, whatever the planner believes of tables that were small
-- when it made the plan: nothing here can become a join with all messages, or with all sessions of the user, and an id is
-- looked for in the one index that has its order.
-- $1 scope, $2 session, $3 user or NULL, $4 now, $5 id, $6 role, $7 content, $8 parts, $9 name, $10 metadata,
-- $11 metadata_exact, $12 tool_calls, $13 tool_call_id, $14 extra, $15 created_at, $16 expires_at, $17 tokens, $18 terms
WITH head AS (
    UPDATE recollect.sessions AS s SET
        message_count = s.message_count + 1,
        last_seq = s.last_seq + 1,
        updated_at = greatest(s.updated_at, least($15::timestamptz, $4::timestamptz)),
        expires_at = CASE WHEN s.ttl IS NULL THEN s.expires_at
            ELSE greatest(s.expires_at, $4::timestamptz + make_interval(secs => s.ttl)) END,
        feed_tx = greatest(s.feed_tx, pg_current_xact_id()::text::bigint)
    WHERE s.scope = $1 AND s.session_id = $2 AND (s.expires_at IS NULL OR s.expires_at > $4::timestamptz)
        AND s.user_id IS NOT DISTINCT FROM coalesce($3::text, s.user_id)
        AND (
            SELECT k.seq FROM recollect.messages AS k WHERE k.session_no = s.session_no AND k.id BETWEEN $5 AND $5
            ORDER BY k.id LIMIT 1
        ) IS NULL
    RETURNING s.session_no, s.last_seq, s.user_id, s.feed_tx
), message AS (
    INSERT INTO recollect.messages (session_no, seq, scope, session_id, id, role, content, parts, name, user_id,
        metadata, metadata_exact, tool_calls, tool_call_id, extra, created_at, expires_at, tokens, terms)
    SELECT h.session_no, h.last_seq, $1, $2, $5, $6, $7, $8::json, $9, h.user_id, $10::jsonb, $11::json, $12::json, $13,
        $14::json, $15::timestamptz, $16::timestamptz, $17::bigint, $18
    FROM head AS h
), change AS (
    INSERT INTO recollect.changes (scope, tx, kind, table_name, partition_id, first_seq, last_seq, at)
    SELECT $1, h.feed_tx, 'append', 'messages', $2, h.last_seq, h.last_seq, $4::timestamptz FROM head AS h
    RETURNING EXISTS (SELECT FROM recollect.followers WHERE until > clock_timestamp()) AS is_followed
)
SELECT h.last_seq, h.user_id, CASE
    WHEN NOT c.is_followed THEN NULL
    WHEN pg_try_advisory_xact_lock(hashtextextended('recollect:channel', 7204)) THEN pg_notify('recollect:channel', $1)
END
FROM head AS h, change AS c
