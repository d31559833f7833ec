-- A writer whose clock is behind does not shorten the life of a session for all others.

-- Count what was written: the second half. in_active: the latest created_at of the rows, none counted later than now.
CREATE OR REPLACE FUNCTION recollect.leave_session(
    in_scope text, in_session text, in_no bigint, in_first bigint, in_written bigint, in_active timestamptz,
    in_now timestamptz
) RETURNS void
LANGUAGE sql AS $recollect$
UPDATE recollect.sessions AS s SET
    message_count = s.message_count + in_written,
    last_seq = s.last_seq + in_written,
    updated_at = greatest(s.updated_at, in_active),
    expires_at = CASE WHEN s.ttl IS NULL THEN s.expires_at ELSE
        greatest(s.expires_at, in_now + make_interval(secs => s.ttl)) END,
    feed_tx = CASE WHEN in_written = 0 THEN s.feed_tx ELSE recollect.note(
        in_scope, 'append', 'messages', in_session, in_first, in_first + in_written - 1, in_now) END
WHERE s.session_no = in_no
$recollect$;
