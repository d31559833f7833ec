-- One message more for a session that is there, the latest by its time too: the common case, as one statement, which is a
-- transaction by itself when no other is open. It lives in the writing connection only; the file knows nothing of it.
-- What the writer remembers of the header has to be so still, whatever others have done meanwhile. Where it is not, where
-- the id is there already, and where terms are due to be moved into the index (see `index.BATCH`), the insert is refused
-- and nothing is written.
CREATE TEMP VIEW IF NOT EXISTS recollect_append AS SELECT
    NULL AS session_no, NULL AS seq, NULL AS scope, NULL AS session_id, NULL AS ttl, NULL AS updated, NULL AS latest,
    NULL AS active, NULL AS now, NULL AS id, NULL AS role, NULL AS content, NULL AS parts, NULL AS name, NULL AS user_id,
    NULL AS metadata, NULL AS tool_calls, NULL AS tool_call_id, NULL AS extra, NULL AS created_at, NULL AS expires_at,
    NULL AS tokens, NULL AS terms;
CREATE TEMP TRIGGER IF NOT EXISTS recollect_append_one INSTEAD OF INSERT ON recollect_append BEGIN
    UPDATE recollect_sessions SET message_count = message_count + 1, last_seq = NEW.seq, updated_at = NEW.active,
        last_message_at = NEW.created_at
    WHERE session_no = NEW.session_no AND last_seq = NEW.seq - 1 AND user_id IS NEW.user_id AND ttl IS NEW.ttl
        AND updated_at = NEW.updated AND last_message_at = NEW.latest AND scope = NEW.scope
        AND session_id = NEW.session_id AND (expires_at IS NULL OR expires_at > NEW.now);
    SELECT RAISE(ABORT, 'the header is another') WHERE changes() = 0;
    INSERT INTO recollect_messages (position, scope, session_no, session_id, seq, id, role, content, parts, name,
        user_id, metadata, tool_calls, tool_call_id, extra, created_at, expires_at, tokens, terms)
    VALUES (NEW.session_no << 32 | NEW.seq, NEW.scope, NEW.session_no, NEW.session_id, NEW.seq, NEW.id, NEW.role,
        NEW.content, NEW.parts, NEW.name, NEW.user_id, coalesce(NEW.metadata, '{}'), NEW.tool_calls, NEW.tool_call_id,
        coalesce(NEW.extra, '{}'), NEW.created_at, NEW.expires_at, NEW.tokens, NEW.terms);
    INSERT INTO recollect_changes (scope, kind, table_name, partition_id, session_no, first_seq, last_seq, at)
    VALUES (NEW.scope, 'append', 'messages', NEW.session_id, NEW.session_no, NEW.seq, NEW.seq, NEW.now);
    SELECT RAISE(ABORT, 'the index is due') WHERE last_insert_rowid() % 256 = 0;
END;
