-- The short way for the most usual commit: one new message, later than those before it, to a session that is there,
-- belongs to its writer and never expires. Whatever else it is, nothing is done here and the long way follows, which
-- would do the same (its functions cost more to make than the whole of this).
--
-- Numbers are given to Redis as text: it writes out a number of Lua's with all its decimals, each time anew.

local A = ARGV

if A[4] == '1' and A[5] == 'append' and A[11] == '1' and A[13] == '' and A[17] ~= 'system' then
  local call = redis.call
  local now, user, created = A[1], A[7], A[19]
  local head = call('HMGET', KEYS[1], 'last_seq', 'user_id', 'message_count', 'updated_at', 'last_message_at', 'due_at')
  local last, owner = head[1], head[2]
  if last and not head[6] and (user == '' or user == owner) and created >= head[5] and created <= now
    and head[3] ~= '0' then
    local number, updated = last + 1, head[4]
    local seq = string.format('%d', number)
    local was, is = string.sub(updated, 1, 19), string.sub(created, 1, 19)
    local moves = is > was
    local list
    if moves and owner then
      list = A[2] .. 'user:' .. string.gsub(owner, '[^A-Za-z0-9%._~:@%+=,%-\128-\255]',
        function(byte) return string.format('%%%02X', string.byte(byte)) end) .. ':sessions'
      call('EXISTS', list) -- before anything is written, see `reach` in session.lua
    end
    if call('HSETNX', KEYS[3], A[15], seq) == 1 then
      call('XADD', KEYS[2], seq .. '-0', unpack(A, 14))
      if moves then
        was, is = was .. ' ' .. A[3], is .. ' ' .. A[3]
        call('ZREM', KEYS[7], was)
        call('ZADD', KEYS[7], '0', is)
        if list then
          call('ZREM', list, was)
          call('ZADD', list, '0', is)
        end
      end
      if created > updated then updated = created end
      local count = head[3] == last and seq or string.format('%d', head[3] + 1)
      call('HSET', KEYS[1], 'last_seq', seq, 'message_count', count, 'updated_at', updated, 'last_message_at', created)
      -- Where the tag has no shards the stream's own ids do; else they have to be finer, see feed.lua.
      local feed_id = '*'
      if string.find(A[2], '/', 1, true) then
        local time = call('TIME')
        feed_id = time[1] .. string.format('%03d-%d', time[2] / 1000, time[2] % 1000 * 1000)
      end
      local entry = redis.pcall('XADD', KEYS[9], feed_id, 'kind', 'append', 'table', 'messages', 'partition', A[3],
        'first_seq', seq, 'last_seq', seq, 'at', now)
      if type(entry) == 'table' then
        -- The same microsecond again, or the server's clock was set back.
        local newest = call('XREVRANGE', KEYS[9], '+', '-', 'COUNT', 1)[1]
        local ms, n = string.match(newest and newest[1] or call('HGET', KEYS[10], 'swept_change'), '^(%d+)-(%d+)$')
        call('XADD', KEYS[9], string.format('%s-%d', ms, n + 1), 'kind', 'append', 'table', 'messages', 'partition',
          A[3], 'first_seq', seq, 'last_seq', seq, 'at', now)
      end
      return {{owner or '', number}}
    end
  end
end
