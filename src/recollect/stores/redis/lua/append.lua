-- The short way for the most usual commit, which comes in a short form (`_one_message` in writes.py): one new message,
-- later than those before it, to a session that is there, belongs to its writer and never expires. Whatever else it is,
-- nothing is done here; the call gets the form that the long way below takes, which would do the same (its functions
-- cost more to make than the whole of this).
--
-- KEYS of the short form: the header, the messages, the ids, the sessions, the changes. ARGV: the session's id, now, the
-- user, then of the message id, role, time, tokens, and names and values of what else it has.
-- Gives the number where the session is the user's, else what the long way gives.
--
-- Numbers are given to Redis as text: it writes out a number of Lua's with all its decimals, each time anew.

local KEYS, ARGV = KEYS, ARGV

if #KEYS == 5 then
  local K, A, call = KEYS, ARGV, redis.call
  local id, now, user, created = A[1], A[2], A[3], A[6]
  local head = call('HMGET', K[1], 'last_seq', 'message_count', 'updated_at', 'last_message_at', 'user_id', 'due_at')
  local last, count, updated, owner = head[1], head[2], head[3], head[5]
  if last and not head[6] and (user == owner or user == '') and created >= head[4] and created <= now
    and count ~= '0' then
    local number = last + 1
    local seq = string.format('%d', number)
    local was, is, list
    if created > updated then
      was, is = string.sub(updated, 1, 19), string.sub(created, 1, 19)
      updated = created
      if was == is then
        is = nil
      elseif owner then
        list = string.sub(K[5], 1, -8) .. 'user:' .. string.gsub(owner, '[^A-Za-z0-9%._~:@%+=,%-\128-\255]',
          function(byte) return string.format('%%%02X', string.byte(byte)) end) .. ':sessions'
        call('EXISTS', list) -- before anything is written, see `reach` in session.lua
      end
    end
    if call('HSETNX', K[3], A[4], seq) == 1 then
      call('XADD', K[2], seq .. '-0', 'id', A[4], 'role', A[5], 'created_at', created, 'tokens', A[7], unpack(A, 8))
      if is then
        was, is = was .. ' ' .. id, is .. ' ' .. id
        call('ZREM', K[4], was)
        call('ZADD', K[4], '0', is)
        if list then
          call('ZREM', list, was)
          call('ZADD', list, '0', is)
        end
      end
      count = count == last and seq or string.format('%d', count + 1)
      call('HSET', K[1], 'last_seq', seq, 'message_count', count, 'updated_at', updated, 'last_message_at', created)
      -- Where the tag has no shards the stream's own ids do; else they have to be finer, see feed.lua.
      if not string.find(K[5], '{[^}]*/') then
        call('XADD', K[5], '*', 'kind', 'append', 'table', 'messages', 'partition', id,
          'first_seq', seq, 'last_seq', seq, 'at', now)
      else
        local time = call('TIME')
        local at = time[1] .. string.format('%03d-%d', time[2] / 1000, time[2] % 1000 * 1000)
        local entry = redis.pcall('XADD', K[5], at, 'kind', 'append', 'table', 'messages', 'partition', id,
          'first_seq', seq, 'last_seq', seq, 'at', now)
        if type(entry) == 'table' then
          -- The same microsecond again, or the server's clock was set back: the next one behind the newest.
          call('XADD', K[5], '*', 'kind', 'append', 'table', 'messages', 'partition', id,
            'first_seq', seq, 'last_seq', seq, 'at', now)
        end
      end
      if user == owner then return number end
      return {{owner or '', number}}
    end
  end
  local own, base = string.sub(K[1], 1, -7), string.sub(K[5], 1, -8)
  KEYS = {K[1], K[2], K[3], own .. 'expiring', own .. 'system', own .. 'summary', K[4], base .. 'due', K[5],
    base .. 'state', own .. 'vectors'}
  -- Before anything is written, see `reach` in session.lua: a cluster has looked for the five only.
  call('EXISTS', KEYS[4], KEYS[5], KEYS[6], KEYS[8], KEYS[10], KEYS[11])
  local fields = {'id', A[4], 'role', A[5], 'created_at', created, 'tokens', A[7], unpack(A, 8)}
  ARGV = {now, base, id, '1', 'append', #fields + 9, user, '', '', created < now and created or now, '1', #fields + 2,
    '', unpack(fields)}
end
