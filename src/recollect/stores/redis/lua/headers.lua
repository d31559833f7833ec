-- Headers of sessions that can be read now, each counting what can be read; false for one that cannot.
--
-- KEYS: for each session its header and its expiring messages. ARGV: now.

local now, out = ARGV[1], {}
for n = 1, #KEYS, 2 do
  local v = redis.call('HMGET', KEYS[n], 'session_id', 'user_id', 'title', 'metadata', 'message_count', 'last_seq',
    'created_at', 'updated_at', 'expires_at', 'ttl', 'version', 'first_message_at', 'last_message_at', 'time_ordered',
    'due_at')
  if not v[1] or (v[9] and v[9] <= now) then
    out[#out + 1] = false
  else
    if v[15] then v[5] = v[5] - redis.call('ZLEXCOUNT', KEYS[n + 1], '-', '[' .. now .. '~') end
    out[#out + 1] = v
  end
end
return out
