-- One commit on a session: all of its operations or none. First every operation is checked against what those before
-- it will have done; a script that has begun to write goes through to its end.
--
-- ARGV behind those of session.lua: how many operations, then each: its letter, how many arguments it has with these
-- two, and what it takes. '' stands for None.
-- Gives a result for each, or {'conflict', which one, why, the version that is stored}.

local count = tonumber(ARGV[4])

local function fits(expect, version)
  return expect == -2 or (expect == -1 and not version) or (version and expect == version)
end

local function is_past(expires)
  return expires and expires ~= '' and expires <= now
end

local function conflict()
  local there = h ~= nil and not is_past(h.expires)
  local owner, version = there and h.user or nil, there and h.version or nil
  local noted = not there and 0 or nil
  local at = 5
  for n = 1, count do
    local op = ARGV[at]
    if op == 'append' then
      local user = ARGV[at + 2]
      reach(user)
      if user ~= '' then
        if owner and owner ~= user then return {'conflict', n, 'owner', 0} end
        owner = user
      end
      if not there then there, version, noted = not is_past(ARGV[at + 3]), 1, 0 end
    elseif op == 'header' then
      reach(ARGV[at + 3])
      if not fits(tonumber(ARGV[at + 2]), version) then return {'conflict', n, 'version', version or 0} end
      there, version, owner = not is_past(ARGV[at + 4]), (version or 0) + 1, ARGV[at + 3] ~= '' and ARGV[at + 3] or nil
    elseif op == 'summary' then
      if not there then return {'conflict', n, 'absent', 0} end
      noted = noted or tonumber(call('HGET', SUMMARY, 'version') or 0)
      if not fits(tonumber(ARGV[at + 2]), noted > 0 and noted or nil) then return {'conflict', n, 'version', noted} end
      noted = noted + 1
    elseif op == 'delete' and ARGV[at + 2] == '' then
      there = false
    elseif op == 'delete' and ARGV[at + 2] == 'summaries' then
      noted = 0
    end
    if not there then owner, version, noted = nil, nil, 0 end
    at = at + ARGV[at + 1]
  end
  return nil
end

-- The stored message with an id that is taken, or nil when it has expired and its id is given to the next number.
local function known(key, seq)
  local taken = call('HGET', IDS, key)
  local entry = message(taken)
  if entry and is_live(entry) then return entry end
  if entry then remove_message(taken, entry) end
  call('HSET', IDS, key, seq)
  return nil
end

local function append(at)
  local user, expires, ttl, rows = ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], tonumber(ARGV[at + 6])
  if not h then
    begin(ARGV[at + 5])
    if expires ~= '' then h.expires = expires end
    if ttl ~= '' then
      h.ttl = ttl
      set('ttl', ttl)
    end
  end
  if user ~= '' then h.user = user end
  local first, out = h.last + 1, {h.user or ''}
  local row = at + 7
  for n = 1, rows do
    local size, gone, key = tonumber(ARGV[row]), ARGV[row + 1], ARGV[row + 3]
    local seq = h.last + 1
    local entry = call('HSETNX', IDS, key, seq) == 0 and known(key, seq)
    if entry then
      out[n + 1] = entry
    else
      local role, created = ARGV[row + 5], ARGV[row + 7]
      call('XADD', MESSAGES, seq .. '-0', unpack(ARGV, row + 2, row + size - 1))
      if role == 'system' then call('ZADD', SYSTEM, seq, seq) end
      if gone ~= '' then
        call('ZADD', EXPIRING, 0, gone .. ' ' .. seq)
        expiring_touched = true
      end
      h.last, h.count = seq, h.count + 1
      if created < h.latest then h.ordered = '0' else h.latest = created end
      if created < h.earliest then h.earliest = created end
      local active = created < now and created or now
      if active > h.updated then h.updated = active end
      if docs then docs.note(seq, role, created, gone, h.user, ARGV[at + ARGV[at + 1] - rows + n - 1]) end
      out[n + 1] = seq
    end
    row = row + size
  end
  if h.last >= first then record('append', 'messages', first, h.last) end
  if h.ttl then
    local renewed = plus(now, tonumber(h.ttl))
    if not h.expires or renewed > h.expires then h.expires = renewed end
  end
  return out
end

local function put_header(at)
  local user, expires, ttl = ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  if h then h.version = h.version + 1 else begin(now) end
  changed = {}
  h.user, h.expires, h.ttl = nil, nil, nil
  if user ~= '' then h.user = user end
  if expires ~= '' then h.expires = expires end
  if ttl ~= '' then h.ttl = ttl end
  call('HDEL', HEADER, 'user_id', 'title', 'expires_at', 'ttl')
  set('session_id', id)
  set('created_at', h.created)
  set('version', h.version)
  if ttl ~= '' then set('ttl', ttl) end
  for n = at + 6, at + ARGV[at + 1] - 1, 2 do set(ARGV[n], ARGV[n + 1]) end
  record('put', 'sessions')
  return {h.version, live_count(), h.last, h.created, h.updated}
end

local function put_summary(at)
  local version = tonumber(call('HGET', SUMMARY, 'version') or 0) + 1
  call('DEL', SUMMARY)
  call('HSET', SUMMARY, 'version', version, unpack(ARGV, at + 3, at + ARGV[at + 1] - 1))
  record('put', 'summaries')
  return version
end

local function delete(at)
  local name, seq = ARGV[at + 2], ARGV[at + 3]
  if not h then return 0 end
  if name == 'messages' and seq ~= '' then
    local entry = message(seq)
    if not entry or not is_live(entry) then return 0 end
    remove_message(seq, entry)
    record('delete', 'messages', seq, seq)
    return 1
  end
  local removed = 0
  if name == '' or name == 'summaries' then removed = call('DEL', SUMMARY) end
  if name == '' then
    removed = removed + live_count() + 1
    wipe()
  elseif name == 'messages' then
    removed = live_count()
    if docs then docs.drop_all() end
    call('DEL', MESSAGES, IDS, EXPIRING, SYSTEM, VECTORS)
    h.count, h.earliest, h.latest, h.ordered = 0, '9', '', '1'
    expiring_touched = true
  end
  if removed > 0 then record('delete', name == '' and 'sessions' or name) end
  return removed
end

-- What visits each of an operation's messages that is there, under its number and with its id; how many are.
local function each_message(at, visit)
  local count = 0
  if not h then return 0 end
  local expiring = call('EXISTS', EXPIRING) == 1
  for n = at + 2, at + ARGV[at + 1] - 1, 3 do
    local seq = ARGV[n]
    if call('HGET', IDS, ARGV[n + 1]) == seq then
      local entry = (expiring or docs) and message(seq)
      if not entry or is_live(entry) then
        visit(seq, ARGV[n + 2], entry)
        count = count + 1
      end
    end
  end
  return count
end

local function described(entry)
  return field(entry, 'role'), field(entry, 'created_at'), field(entry, 'expires_at'), h.user
end

local function attach(at)
  return each_message(at, function(seq, member, entry)
    if docs then docs.attach(seq, member, described(entry)) end
    call('ZREMRANGEBYSCORE', VECTORS, seq, seq)
    call('ZADD', VECTORS, seq, member)
  end)
end

local function terms(at)
  return each_message(at, function(seq, words, entry) docs.renew(seq, words, described(entry)) end)
end

local refused = conflict()
if refused then return refused end
local apply = {append = append, header = put_header, summary = put_summary, delete = delete, attach = attach,
  terms = terms}
local results, at = {}, 5
for n = 1, count do
  if h and is_past(h.expires) then
    wipe()
    record('delete', 'sessions')
  end
  results[n] = apply[ARGV[at]](at)
  at = at + ARGV[at + 1]
end
save()
return results
