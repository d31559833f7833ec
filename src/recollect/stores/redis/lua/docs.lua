-- What RediSearch indexes: a hash for the terms of a message and one for its vector, beside it. Only in databases that
-- were made for it; in others this part is left out, and `docs` is nil.
--
-- Tags are ids in hexadecimal behind a letter, so that nothing in them is syntax, and instants are microseconds since 1970.
-- Each hash is written by one command, for it is indexed anew by each.

local docs = {}
do
  local call, base, id, ids, vectors = redis.call, ARGV[2], ARGV[3], KEYS[3], KEYS[11]
  -- The id in a key is written as in the header's, <base>session:<id>:header.
  local place = string.sub(KEYS[1], #base + 9, -8) .. ':'
  local owners = {}

  local function tag(text)
    return 't' .. string.gsub(text, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
  end

  local function micros(instant)
    local days, rest = parse(instant)
    return string.format('%.0f', days * DAY + rest)
  end

  local function describe(key, role, created, expires, owner, ...)
    local fields = {'session', tag(id), 'role', tag(role), 'created_at', micros(created), ...}
    if owner then
      fields[#fields + 1] = 'user'
      fields[#fields + 1] = tag(owner)
    end
    if expires and expires ~= '' then
      fields[#fields + 1] = 'expires_at'
      fields[#fields + 1] = micros(expires)
    end
    call('HSET', key, unpack(fields))
    owners[owner or ''] = true
  end

  local function key_of_terms(seq) return base .. 'doc:' .. place .. seq end

  -- Of vectors of one model and one length, which RediSearch can compare. `vector_kind` in documents.py has the same rule.
  local function key_of_vector(member)
    local seq, model, data = string.match(member, '^(%d+) [^ ]+ ([^ ]+) (.*)$')
    if #data == 0 or #data % 2 == 1 or #data > 65536 then return nil end
    local kind = string.format('%d-%s', #data / 2, string.sub(redis.sha1hex(model), 1, 16))
    return base .. 'vec:' .. kind .. ':' .. place .. seq, data
  end

  local function drop_vector(member)
    local key = key_of_vector(member)
    if key then call('DEL', key) end
  end

  local function each_vector(visit)
    local start = 0
    repeat
      local members = call('ZRANGE', vectors, start, start + 99)
      for _, member in ipairs(members) do visit(member) end
      start = start + #members
    until #members == 0
  end

  -- The session's owner, as its hashes have it already.
  function docs.had(owner) owners[owner or ''] = true end

  function docs.note(seq, role, created, expires, owner, terms)
    if terms ~= '' then describe(key_of_terms(seq), role, created, expires, owner, 'terms', terms) end
  end

  -- Before the member takes the place of another.
  function docs.attach(seq, member, role, created, expires, owner)
    for _, old in ipairs(call('ZRANGEBYSCORE', vectors, seq, seq)) do drop_vector(old) end
    local key, data = key_of_vector(member)
    if key then describe(key, role, created, expires, owner, 'vector', data) end
  end

  -- Anew, whatever was there.
  function docs.renew(seq, terms, role, created, expires, owner)
    call('DEL', key_of_terms(seq))
    docs.note(seq, role, created, expires, owner, terms)
    for _, member in ipairs(call('ZRANGEBYSCORE', vectors, seq, seq)) do
      local key, data = key_of_vector(member)
      if key and call('EXISTS', key) == 0 then describe(key, role, created, expires, owner, 'vector', data) end
    end
  end

  -- Before the message is removed.
  function docs.drop(seq)
    call('DEL', key_of_terms(seq))
    for _, member in ipairs(call('ZRANGEBYSCORE', vectors, seq, seq)) do drop_vector(member) end
  end

  function docs.drop_all()
    for _, seq in ipairs(call('HVALS', ids)) do call('DEL', key_of_terms(seq)) end
    each_vector(drop_vector)
    owners = {}
  end

  -- All hashes have the session's owner, whoever it was when they were written.
  function docs.give(owner)
    local function give(key)
      if not key or call('EXISTS', key) == 0 then return end
      if owner then
        call('HSET', key, 'user', tag(owner))
      else
        call('HDEL', key, 'user')
      end
    end
    for other in pairs(owners) do
      if other ~= (owner or '') then
        for _, seq in ipairs(call('HVALS', ids)) do give(key_of_terms(seq)) end
        each_vector(function(member) give((key_of_vector(member))) end)
        return
      end
    end
  end
end
