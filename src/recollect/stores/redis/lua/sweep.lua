-- Remove a session that has expired, or its messages that have, at most so many.
--
-- ARGV behind those of session.lua: the instant for which the session is in the list of what is due, a limit.
-- Gives {sessions removed, messages removed}.

local limit = tonumber(ARGV[5])
if not h or h.due ~= ARGV[4] then
  call('ZREM', DUE, ARGV[4] .. ' ' .. id)
  return {0, 0}
end
if h.expires and h.expires <= now then
  local messages = h.count
  wipe()
  save()
  return {1, messages}
end
local gone = call('ZRANGEBYLEX', EXPIRING, '-', '[' .. now .. '~', 'LIMIT', 0, limit)
for _, member in ipairs(gone) do
  local seq = string.sub(member, 29)
  local entry = message(seq)
  if entry then
    remove_message(seq, entry)
  else
    call('ZREM', EXPIRING, member)
    expiring_touched = true
  end
end
save()
return {0, #gone}
