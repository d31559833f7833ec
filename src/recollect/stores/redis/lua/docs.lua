-- What RediSearch indexes of a message: a hash beside it, for a message that has terms or a vector. Only in databases that
-- were made for it; in others this part is left out, and `docs` is nil.
--
-- The tags are ids in hexadecimal behind a letter, so that nothing in them is syntax, and instants are microseconds since
-- 1970. Each hash is written with one command, for it is indexed anew with each.

local docs = {}
do
  local call, base, id = redis.call, ARGV[2], ARGV[3]
  -- The id in a key is written as in the header's, <base>session:<id>:header.
  local place = base .. 'doc:' .. string.sub(KEYS[1], #base + 9, -8) .. ':'
  local owners = {}

  local function tag(text)
    return 't' .. string.gsub(text, '.', function(byte) return string.format('%02x', string.byte(byte)) end)
  end

  local function micros(instant)
    local days, rest = parse(instant)
    return string.format('%.0f', days * DAY + rest)
  end

  local function describe(seq, role, created, expires, owner, ...)
    local fields = {'session', tag(id), 'role', tag(role), 'created_at', micros(created), ...}
    if owner then
      fields[#fields + 1] = 'user'
      fields[#fields + 1] = tag(owner)
    end
    if expires and expires ~= '' then
      fields[#fields + 1] = 'expires_at'
      fields[#fields + 1] = micros(expires)
    end
    call('HSET', place .. seq, unpack(fields))
    owners[owner or ''] = true
  end

  -- The session's owner, as its hashes have it already.
  function docs.had(owner) owners[owner or ''] = true end

  function docs.note(seq, role, created, expires, owner, terms)
    if terms ~= '' then describe(seq, role, created, expires, owner, 'terms', terms) end
  end

  function docs.attach(seq, role, created, expires, owner, field, data)
    local old = call('HGET', place .. seq, 'vector')
    if old and old ~= field then call('HDEL', place .. seq, old, 'vector') end
    if field == '' then return end -- bytes that are no numbers
    describe(seq, role, created, expires, owner, 'vector', field, field, data)
  end

  function docs.drop(seq) call('DEL', place .. seq) end

  -- Numbers of all messages; all that ever were, where the list of ids has been taken by Redis's own expiry.
  local function each(ids, last, visit)
    local seqs = call('HVALS', ids)
    if #seqs > 0 then
      for _, seq in ipairs(seqs) do visit(seq) end
    else
      for seq = 1, last do visit(string.format('%d', seq)) end
    end
  end

  function docs.drop_all(ids, last)
    each(ids, last, docs.drop)
    owners = {}
  end

  -- All hashes have the session's owner, whoever it was when they were written.
  function docs.give(owner, ids)
    for other in pairs(owners) do
      if other ~= (owner or '') then
        each(ids, 0, function(seq)
          if call('EXISTS', place .. seq) == 1 then
            if owner then
              call('HSET', place .. seq, 'user', tag(owner))
            else
              call('HDEL', place .. seq, 'user')
            end
          end
        end)
        return
      end
    end
  end
end
