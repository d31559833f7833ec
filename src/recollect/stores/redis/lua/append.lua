-- The short way for the most usual commit: one new message, later than those before it, to a session that is there,
-- belongs to its writer and never expires. Whatever else it is, nothing is done here and the long way follows, which
-- would do the same (its functions cost more to make than the whole of this).

if ARGV[4] == '1' and ARGV[5] == 'append' and ARGV[11] == '1' and ARGV[13] == '' and ARGV[17] ~= 'system' then
  local call = redis.call
  local now, user, created = ARGV[1], ARGV[7], ARGV[19]
  local head = call('HMGET', KEYS[1], 'last_seq', 'user_id', 'message_count', 'updated_at', 'last_message_at', 'due_at')
  local owner = head[2]
  if head[1] and not head[6] and (user == '' or user == owner) and created >= head[5] and created <= now
    and head[3] ~= '0' then
    local seq, updated = head[1] + 1, head[4]
    local was, is = string.sub(updated, 1, 19), string.sub(created, 1, 19)
    local moves = is > was
    local list
    if moves and owner then
      list = ARGV[2] .. 'user:' .. string.gsub(owner, '[^A-Za-z0-9%._~:@%+=,%-\128-\255]',
        function(byte) return string.format('%%%02X', string.byte(byte)) end) .. ':sessions'
      call('EXISTS', list) -- before anything is written, see `reach` in session.lua
    end
    if call('HSETNX', KEYS[3], ARGV[15], seq) == 1 then
      call('XADD', KEYS[2], seq .. '-0', unpack(ARGV, 14))
      if moves then
        was, is = was .. ' ' .. ARGV[3], is .. ' ' .. ARGV[3]
        call('ZREM', KEYS[7], was)
        call('ZADD', KEYS[7], 0, is)
        if list then
          call('ZREM', list, was)
          call('ZADD', list, 0, is)
        end
      end
      if created > updated then updated = created end
      call('HSET', KEYS[1], 'last_seq', seq, 'message_count', head[3] + 1, 'updated_at', updated, 'last_message_at',
        created)
      -- Where the tag has no shards the stream's own ids do; else they have to be finer, see feed.lua.
      local feed_id = '*'
      if string.find(ARGV[2], '/', 1, true) then
        local time = call('TIME')
        feed_id = time[1] .. string.format('%03d-%d', time[2] / 1000, time[2] % 1000 * 1000)
      end
      local entry = redis.pcall('XADD', KEYS[9], feed_id, 'kind', 'append', 'table', 'messages', 'partition', ARGV[3],
        'first_seq', seq, 'last_seq', seq, 'at', now)
      if type(entry) == 'table' then
        -- The same microsecond again, or the server's clock was set back.
        local newest = call('XREVRANGE', KEYS[9], '+', '-', 'COUNT', 1)[1]
        local ms, n = string.match(newest and newest[1] or call('HGET', KEYS[10], 'swept_change'), '^(%d+)-(%d+)$')
        call('XADD', KEYS[9], string.format('%s-%d', ms, n + 1), 'kind', 'append', 'table', 'messages', 'partition',
          ARGV[3], 'first_seq', seq, 'last_seq', seq, 'at', now)
      end
      return {{owner or '', seq}}
    end
  end
end
