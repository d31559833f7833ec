-- One commit on a user: puts and deletes of the preference document, all or none.
--
-- KEYS: the document, the list of users that have one, the feed, its state.
-- ARGV: now, the user's id, how many operations, then each: 'put', the version expected, the document, created_at,
-- updated_at; or 'delete'; or 'nothing'. Gives a version or a count for each, or {'conflict', which one, why, the version stored}.

local call = redis.call
local DOCUMENT, USERS, CHANGES, STATE = unpack(KEYS)
local now, id, count = ARGV[1], ARGV[2], tonumber(ARGV[3])
