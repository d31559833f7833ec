-- What one partition's writers wait for, but for those that only add a message to a session that is there: they take
-- turns at the header's row (so all others take that too). This lock stands for a header that is not there yet, or no
-- longer.
CREATE FUNCTION recollect.lock_partition(in_kind text, in_scope text, in_id text) RETURNS void
LANGUAGE sql AS $recollect$
SELECT pg_advisory_xact_lock(hashtextextended(in_kind || chr(1) || in_scope || chr(1) || in_id, 7203))
$recollect$;

-- The same for who can come again later; whether the lock was free.
CREATE FUNCTION recollect.try_lock_partition(in_kind text, in_scope text, in_id text) RETURNS boolean
LANGUAGE sql AS $recollect$
SELECT pg_try_advisory_xact_lock(hashtextextended(in_kind || chr(1) || in_scope || chr(1) || in_id, 7203))
$recollect$;

-- An entry of the feed, and NOTIFY where somebody wants to be woken. Gives the entry's tx: a session keeps that of its
-- last entry.
CREATE FUNCTION recollect.note(
    in_scope text, in_kind text, in_table text, in_partition text, in_first bigint, in_last bigint, in_now timestamptz
) RETURNS bigint
LANGUAGE plpgsql AS $recollect$
DECLARE
    is_followed boolean;
    entry bigint;
BEGIN
    INSERT INTO recollect.changes (scope, kind, table_name, partition_id, first_seq, last_seq, at)
    VALUES (in_scope, in_kind, in_table, in_partition, in_first, in_last, in_now)
    RETURNING EXISTS (SELECT FROM recollect.followers WHERE until > clock_timestamp()), tx INTO is_followed, entry;
    IF is_followed THEN
        PERFORM pg_notify('recollect:channel', in_scope);
    END IF;
    RETURN entry;
END
$recollect$;

-- Ask to be woken for some seconds; repeat before they are over. Gives the channel to LISTEN to.
CREATE FUNCTION recollect.follow(in_name text, in_seconds double precision) RETURNS text
LANGUAGE sql AS $recollect$
DELETE FROM recollect.followers WHERE until < clock_timestamp();
INSERT INTO recollect.followers (name, until) VALUES (in_name, clock_timestamp() + make_interval(secs => in_seconds))
ON CONFLICT (name) DO UPDATE SET until = excluded.until;
SELECT 'recollect:channel';
$recollect$;

-- Remove all of a session; how many messages.
CREATE FUNCTION recollect.remove_session(in_no bigint) RETURNS bigint
LANGUAGE plpgsql AS $recollect$
DECLARE
    removed bigint;
BEGIN
    DELETE FROM recollect.messages WHERE session_no = in_no;
    GET DIAGNOSTICS removed = ROW_COUNT;
    DELETE FROM recollect.summaries WHERE session_no = in_no;
    DELETE FROM recollect.sessions WHERE session_no = in_no;
    RETURN removed;
END
$recollect$;
