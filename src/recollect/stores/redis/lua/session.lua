-- One session's keys, its header in memory, and how both are written back. The first part of every script that
-- changes a session. All keys have the same hash tag; those of users are made here, for the owner is known here only.
--
-- ARGV: now, the tag's part of the key (for keys of users), the session's id, then what the script itself takes.

local call = redis.call
local HEADER, MESSAGES, IDS, EXPIRING, SYSTEM, SUMMARY, SESSIONS, DUE, CHANGES, STATE, VECTORS = unpack(KEYS)
local now, base, id = ARGV[1], ARGV[2], ARGV[3]

-- Redis removes the bulk of an expired session by itself so long after its time, for those who never sweep. The margin
-- is what clocks of clients may differ from the server's.
local MARGIN = 86400000

local function load()
  local v = call('HMGET', HEADER, 'version', 'user_id', 'message_count', 'last_seq', 'created_at', 'updated_at',
    'expires_at', 'ttl', 'first_message_at', 'last_message_at', 'time_ordered', 'due_at')
  if not v[1] then return nil end
  return {version = tonumber(v[1]), user = v[2] or nil, count = tonumber(v[3]), last = tonumber(v[4]), created = v[5],
    updated = v[6], expires = v[7] or nil, ttl = v[8] or nil, earliest = v[9], latest = v[10], ordered = v[11],
    due = v[12] or nil}
end

local old = load()
local h
if old then
  h = {}
  for name, value in pairs(old) do h[name] = value end
  if docs and h.count > 0 then docs.had(h.user) end
end
local changed, dropped = {}, {}
local expiring_touched = false

local function set(field, value)
  changed[#changed + 1] = field
  changed[#changed + 1] = value
end

local function begin(at)
  h = {version = 1, count = 0, last = 0, created = at, updated = at, earliest = '9', latest = '', ordered = '1'}
  set('session_id', id)
  set('created_at', at)
  set('version', 1)
  set('metadata', '{}')
end

local function wipe()
  if docs then docs.drop_all() end
  call('DEL', HEADER, MESSAGES, IDS, EXPIRING, SYSTEM, SUMMARY, VECTORS)
  h, changed, dropped = nil, {}, {}
  expiring_touched = true
end

local function field(entry, name)
  local fields = entry[2]
  for n = 1, #fields, 2 do
    if fields[n] == name then return fields[n + 1] end
  end
  return nil
end

local function is_live(entry)
  local expires = field(entry, 'expires_at')
  return not expires or expires > now
end

local function message(seq)
  return call('XRANGE', MESSAGES, seq .. '-0', seq .. '-0')[1]
end

local function remove_message(seq, entry)
  local expires = field(entry, 'expires_at')
  if expires then
    call('ZREM', EXPIRING, expires .. ' ' .. seq)
    expiring_touched = true
  end
  if field(entry, 'role') == 'system' then call('ZREM', SYSTEM, seq) end
  call('HDEL', IDS, field(entry, 'id'))
  call('XDEL', MESSAGES, seq .. '-0')
  if docs then docs.drop(seq) end
  call('ZREMRANGEBYSCORE', VECTORS, seq, seq)
  h.count = h.count - 1
end

local function live_count()
  return h.count - call('ZLEXCOUNT', EXPIRING, '-', '[' .. now .. '~')
end

-- The same as `encode` in keys.py.
local function key_of_user(user)
  local encoded = string.gsub(user, '[^A-Za-z0-9%._~:@%+=,%-\128-\255]',
    function(byte) return string.format('%%%02X', string.byte(byte)) end)
  return base .. 'user:' .. encoded .. ':sessions'
end

-- A user's key is not among KEYS, so a Redis Cluster does not look before the script whether it is here, and not on its
-- way to another server. It is touched before anything is written, for then the script may still fail.
local function reach(user)
  if user and user ~= '' then call('EXISTS', key_of_user(user)) end
end

if old then reach(old.user) end

local function move(key, before, after)
  if before == after then return end
  if before then call('ZREM', key, before) end
  if after then call('ZADD', key, 0, after) end
end

local function due()
  if not (old and old.due) and not h.expires and not expiring_touched then return nil end
  local first = call('ZRANGEBYLEX', EXPIRING, '-', '+', 'LIMIT', 0, 1)[1]
  first = first and string.sub(first, 1, 27)
  if first and h.expires then return first < h.expires and first or h.expires end
  return first or h.expires
end

-- Lists of sessions by activity are exact to the second, and sorted within it by who reads them: so a burst of messages
-- writes to them once.
local function activity(header)
  return header and string.sub(header.updated, 1, 19) .. ' ' .. id
end

local function save()
  local was, is = activity(old), activity(h)
  move(SESSIONS, was, is)
  local owner, user = old and old.user, h and h.user
  if owner and owner ~= user then call('ZREM', key_of_user(owner), was) end
  if user then move(key_of_user(user), owner == user and was or nil, is) end
  local at = h and due()
  if (old and old.due) ~= at then
    move(DUE, old and old.due and old.due .. ' ' .. id, at and at .. ' ' .. id)
    if not at then dropped[1] = 'due_at' end
  end
  if not h then return end
  if docs then docs.give(h.user) end
  if #dropped > 0 then call('HDEL', HEADER, unpack(dropped)) end
  if h.user and (#changed > 0 or not old or old.user ~= h.user) then set('user_id', h.user) end
  if h.expires then set('expires_at', h.expires) end
  if at then set('due_at', at) end
  call('HSET', HEADER, 'message_count', h.count, 'last_seq', h.last, 'updated_at', h.updated, 'first_message_at',
    h.earliest, 'last_message_at', h.latest, 'time_ordered', h.ordered, unpack(changed))
  -- What is indexed goes with the session, by a sweep: it could not be found by what is left when Redis takes the rest.
  if docs and h.expires then
    for n = 2, 6 do call('PERSIST', KEYS[n]) end
    call('PERSIST', VECTORS)
  elseif h.expires then
    local left = string.format('%d', math.max(0, milliseconds_between(now, h.expires)) + MARGIN)
    for n = 2, 6 do call('PEXPIRE', KEYS[n], left) end
    call('PEXPIRE', VECTORS, left)
  elseif old and old.expires then
    for n = 2, 6 do call('PERSIST', KEYS[n]) end
    call('PERSIST', VECTORS)
  end
end
