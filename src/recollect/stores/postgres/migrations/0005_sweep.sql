-- A sweep works in small transactions. What a writer holds at the moment is left for the next round.

CREATE FUNCTION recollect.sweep_sessions(
    in_now timestamptz, in_limit bigint, OUT sessions bigint, OUT messages bigint
)
LANGUAGE plpgsql AS $recollect$
DECLARE
    each record;
BEGIN
    sessions := 0;
    messages := 0;
    FOR each IN
        SELECT s.session_no, s.scope, s.session_id FROM recollect.sessions AS s
        WHERE s.expires_at <= in_now ORDER BY s.expires_at LIMIT in_limit
    LOOP
        CONTINUE WHEN NOT recollect.try_lock_partition('session', each.scope, each.session_id);
        PERFORM FROM recollect.sessions AS s WHERE s.session_no = each.session_no AND s.expires_at <= in_now
        FOR UPDATE SKIP LOCKED;
        IF FOUND THEN
            sessions := sessions + 1;
            messages := messages + recollect.remove_session(each.session_no);
        END IF;
    END LOOP;
END
$recollect$;

CREATE FUNCTION recollect.sweep_messages(in_now timestamptz, in_limit bigint) RETURNS bigint
LANGUAGE plpgsql AS $recollect$
DECLARE
    each record;
    removed bigint;
    total bigint := 0;
BEGIN
    FOR each IN
        SELECT DISTINCT o.session_no, o.scope, o.session_id
        FROM (
            SELECT m.session_no, m.scope, m.session_id FROM recollect.messages AS m
            WHERE m.expires_at <= in_now ORDER BY m.expires_at LIMIT in_limit
        ) AS o
        ORDER BY o.scope, o.session_id
    LOOP
        CONTINUE WHEN NOT recollect.try_lock_partition('session', each.scope, each.session_id);
        DELETE FROM recollect.messages WHERE session_no = each.session_no AND expires_at <= in_now;
        GET DIAGNOSTICS removed = ROW_COUNT;
        UPDATE recollect.sessions SET message_count = message_count - removed WHERE session_no = each.session_no;
        total := total + removed;
    END LOOP;
    RETURN total;
END
$recollect$;

-- Entries are removed from the old end of each scope's feed only, so that no cursor skips one.
CREATE FUNCTION recollect.sweep_changes(in_oldest timestamptz, in_limit bigint) RETURNS bigint
LANGUAGE plpgsql AS $recollect$
DECLARE
    each record;
    young record;
    last record;
    settled bigint := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    removed bigint;
    total bigint := 0;
BEGIN
    FOR each IN SELECT DISTINCT scope FROM recollect.changes ORDER BY scope LOOP
        SELECT c.tx, c.id INTO young FROM recollect.changes AS c
        WHERE c.scope = each.scope AND (c.at > in_oldest OR c.tx >= settled) ORDER BY c.tx, c.id LIMIT 1;
        SELECT o.tx, o.id INTO last
        FROM (
            SELECT c.tx, c.id FROM recollect.changes AS c
            WHERE c.scope = each.scope AND (young.tx IS NULL OR (c.tx, c.id) < (young.tx, young.id))
            ORDER BY c.tx, c.id LIMIT in_limit
        ) AS o
        ORDER BY o.tx DESC, o.id DESC LIMIT 1;
        CONTINUE WHEN NOT FOUND;
        DELETE FROM recollect.changes AS c
        WHERE c.scope = each.scope AND (c.tx, c.id) <= (last.tx, last.id);
        GET DIAGNOSTICS removed = ROW_COUNT;
        total := total + removed;
        INSERT INTO recollect.swept (scope, tx, id) VALUES (each.scope, last.tx, last.id)
        ON CONFLICT (scope) DO UPDATE SET tx = excluded.tx, id = excluded.id;
    END LOOP;
    RETURN total;
END
$recollect$;
