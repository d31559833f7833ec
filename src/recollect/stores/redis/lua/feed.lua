-- The feed: one stream for all partitions of a tag, written in the call that makes the change. Needs call, now, id,
-- CHANGES and STATE.
--
-- A tenant of one tag has the stream's own ids. Where it is divided into shards, whose streams are merged by their ids,
-- those are finer: the server's time as <milliseconds>-<microseconds in it * 1000>, always above the one before.

local feed_ms, feed_seq
local is_shard = string.find(CHANGES, '{[^}]*/')

local function next_id()
  if not is_shard then return '*' end
  if feed_ms then
    feed_seq = feed_seq + 1
  else
    local time = call('TIME')
    feed_ms = time[1] * 1000 + math.floor(time[2] / 1000)
    feed_seq = time[2] % 1000 * 1000
  end
  return string.format('%d-%d', feed_ms, feed_seq)
end

local function record(kind, name, first, last)
  local function add()
    return redis.pcall('XADD', CHANGES, next_id(), 'kind', kind, 'table', name,
      'partition', id, 'first_seq', first or 0, 'last_seq', last or 0, 'at', now)
  end
  local added = add()
  if type(added) == 'table' and added.err then
    if not string.find(added.err, 'smaller', 1, true) then error(added.err) end
    -- The same microsecond again, or the server's clock was set back.
    local newest = call('XREVRANGE', CHANGES, '+', '-', 'COUNT', 1)
    local highest = newest[1] and newest[1][1] or call('HGET', STATE, 'swept_change')
    local ms, seq = string.match(highest, '^(%d+)-(%d+)$')
    feed_ms, feed_seq = tonumber(ms), tonumber(seq)
    added = add()
    if type(added) == 'table' then error(added.err) end
  end
end
