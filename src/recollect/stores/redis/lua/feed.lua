-- The feed: one stream for all partitions of a tag, written in the call that makes the change. Needs call, now, id,
-- CHANGES and STATE.

local feed_ms, feed_seq

-- An entry's id is the server's time, <milliseconds>-<microseconds in it * 1000>, and always above the one before.
local function record(kind, name, first, last)
  if feed_ms then
    feed_seq = feed_seq + 1
  else
    local time = call('TIME')
    feed_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    feed_seq = time[2] % 1000 * 1000
  end
  local function add()
    return redis.pcall('XADD', CHANGES, string.format('%d-%d', feed_ms, feed_seq), 'kind', kind, 'table', name,
      'partition', id, 'first_seq', first or 0, 'last_seq', last or 0, 'at', now)
  end
  local added = add()
  if type(added) == 'table' and added.err then
    if not string.find(added.err, 'smaller', 1, true) then error(added.err) end
    -- The same microsecond again, or the server's clock was set back.
    local newest = call('XREVRANGE', CHANGES, '+', '-', 'COUNT', 1)
    local highest = newest[1] and newest[1][1] or call('HGET', STATE, 'swept_change')
    local ms, seq = string.match(highest, '^(%d+)-(%d+)$')
    feed_ms, feed_seq = tonumber(ms), tonumber(seq) + 1
    added = add()
    if type(added) == 'table' then error(added.err) end
  end
end
