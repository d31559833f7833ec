-- Remove entries from the old end of the feed, and note how far: a cursor before that has lost its successors.
--
-- KEYS: the feed, its state. ARGV: the latest instant that goes, a limit, the id of an entry that stays ('+' for none).
-- Gives how many went.

local entries = redis.call('XRANGE', KEYS[1], '-', ARGV[3] == '+' and '+' or '(' .. ARGV[3], 'COUNT', ARGV[2])
local gone = {}
for _, entry in ipairs(entries) do
  local at
  for n = 1, #entry[2], 2 do
    if entry[2][n] == 'at' then at = entry[2][n + 1] end
  end
  if at > ARGV[1] then break end
  gone[#gone + 1] = entry[1]
end
if #gone > 0 then
  redis.call('HSET', KEYS[2], 'swept_change', gone[#gone])
  redis.call('XDEL', KEYS[1], unpack(gone))
end
return #gone
