-- The operations; what they take is said in preferences_head.lua.

local stored = tonumber(call('HGET', DOCUMENT, 'version') or 0)

local function conflict()
  local version, at = stored, 4
  for n = 1, count do
    if ARGV[at] == 'put' then
      local expect = tonumber(ARGV[at + 1])
      if not (expect == -2 or (expect == -1 and version == 0) or (version > 0 and expect == version)) then
        return {'conflict', n, 'version', version}
      end
      version, at = version + 1, at + 5
    else
      version, at = ARGV[at] == 'delete' and 0 or version, at + 1
    end
  end
  return nil
end

local refused = conflict()
if refused then return refused end
local results, at = {}, 4
for n = 1, count do
  if ARGV[at] == 'put' then
    stored = stored + 1
    call('HSET', DOCUMENT, 'user_id', id, 'preferences', ARGV[at + 2], 'created_at', ARGV[at + 3], 'updated_at',
      ARGV[at + 4], 'version', stored)
    call('ZADD', USERS, 0, id)
    record('put', 'preferences')
    results[n] = stored
    at = at + 5
  else
    results[n] = ARGV[at] == 'delete' and call('DEL', DOCUMENT) or 0
    if results[n] > 0 then
      call('ZREM', USERS, id)
      record('delete', 'preferences')
    end
    if ARGV[at] == 'delete' then stored = 0 end
    at = at + 1
  end
end
return results
